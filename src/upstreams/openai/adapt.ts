import type { Adaptation } from '../../chat/backend.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import type { GatewayError } from '../../errors.ts';
import { extra } from './options.ts';
import { toOpenAi } from './request.ts';

/** How servers say that they do not know a field, or not with this value. */
const refusing =
  /unrecognized|unknown|unsupported|unexpected|not (supported|permitted|allowed)|(does|do) not support|cannot find/i;

/** Fields that an answer can do without. What is not here, as tools or a stop sequence, a client would rather see refused. */
const dispensable: readonly string[] = [
  'temperature',
  'top_p',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'parallel_tool_calls',
  'logprobs',
  'top_logprobs',
  'stream_options',
  'reasoning_effort',
  'max_tokens',
  ...[...extra.values()].flat(),
];

/**
 * What to ask a server that refused a field, or a value, which it does not know. The server itself says which: there
 * are too many of them, and of their versions, for a table.
 */
export function adapt(request: GenerationRequest, refusal: GatewayError): Adaptation | undefined {
  if (refusal.code !== 'invalid_value') return undefined;
  const thinking = withOtherThinking(request, refusal);
  if (thinking !== undefined) return thinking;
  if (!refusing.test(refusal.message)) return undefined;
  const fields = refusedFields(request, refusal);
  if (fields.length === 0) return undefined;
  return {
    request: { ...request, without: [...(request.without ?? []), ...fields] },
    dropped: [...new Set(fields.flatMap((field) => lost(request, field)))],
  };
}

/** Ollama's own words for it name no field. */
const aboutThinking = /\breasoning_effort\b|reasoning value|think value|support thinking/;

/** A level that more servers know, or, where it has no other name, none: the model does then as it would by itself. */
function withOtherThinking(request: GenerationRequest, { message, param }: GatewayError): Adaptation | undefined {
  const { think, ...rest } = request;
  if (think === undefined || !(param === 'reasoning_effort' || aboutThinking.test(message))) return undefined;
  if (think === 'max') return { request: { ...request, think: 'high' }, dropped: [] };
  const loses = think !== false || !/support thinking/.test(message);
  return { request: rest, dropped: loses ? ['reasoning_effort'] : [] };
}

/** Those that the server names of those that were sent. */
function refusedFields(request: GenerationRequest, { message, param }: GatewayError): readonly string[] {
  const sent = new Set(Object.keys(toOpenAi(request).body));
  const known = dispensable.filter((field) => sent.has(field));
  if (param !== undefined && known.includes(param)) return [param];
  const named = new Set(`${message} ${param ?? ''}`.match(/\w+/g));
  // Of a field inside the messages, which the name of no other field holds.
  const thoughts = named.has('reasoning_content') && request.without?.includes('reasoning_content') !== true;
  return [...known.filter((field) => named.has(field)), ...(thoughts ? ['reasoning_content'] : [])];
}

/** What a client asked for and does not get, by the name that it would know. */
function lost({ options, sampling }: GenerationRequest, field: string): string[] {
  // One goes under another name, the other is held to by ourselves.
  if (field === 'max_tokens' || field === 'parallel_tool_calls') return [];
  if (field === 'reasoning_content') return ['messages.reasoning_content'];
  if (field === 'repetition_penalty') return ['options.repeat_penalty'];
  const fromOptions = options?.[field] != null && !Object.hasOwn(sampling, camelCase(field));
  return [fromOptions ? `options.${field}` : field];
}

function camelCase(field: string): string {
  return field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
