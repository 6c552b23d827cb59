import type { Adaptation } from '../../chat/backend.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import type { GatewayError } from '../../errors.ts';
import { nonStandard } from './options.ts';
import { toOpenAi } from './request.ts';

/** Words of servers that do not support a field, or a value of it. */
const unsupported =
  /unrecognized|unknown|unsupported|unexpected|not (supported|permitted|allowed)|(does|do) not support|cannot find/i;

/** Fields that can be left out. Without others, such as tools or stop sequences, the client would rather get the error. */
const optionalFields: readonly string[] = [
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
  ...[...nonStandard.values()].flat(),
];

/**
 * Adapts a request that a server refused because of a field, or a value, that it does not support. The server's error says
 * which one: there are too many servers and versions for a table.
 *
 * @param refusal the server's error
 * @returns the request to send instead; undefined when nothing else can help
 */
export function adapt(request: GenerationRequest, refusal: GatewayError): Adaptation | undefined {
  if (refusal.code !== 'invalid_value') return undefined;
  const adaptation = withOtherReasoning(request, refusal);
  if (adaptation !== undefined) return adaptation;
  if (!unsupported.test(refusal.message)) return undefined;
  const fields = refusedFields(request, refusal);
  if (fields.length === 0) return undefined;
  return {
    request: { ...request, without: [...(request.without ?? []), ...fields] },
    dropped: [...new Set(fields.flatMap((field) => clientNamesOf(field, request)))],
  };
}

/**
 * Words of vLLM without a tool parser, llama.cpp without --jinja, Ollama, and gateways. They come with different statuses.
 *
 * @see https://docs.vllm.ai/en/latest/features/tool_calling/
 */
const aboutTools =
  /enable-auto-tool-choice|tool-call-parser|\btools? param(eter)? requires\b|(does|do) not support (tools?\b|tool[ _-](use|call)|function[ _-]call)|\b(tools?|tool[ _-](use|calling|calls)|function[ _-]calling) (is|are) not (supported|enabled|available)|endpoints found that support tool use/i;

/** True for a server that takes no tools, or none for this model. */
export function refusesTools({ message }: GatewayError): boolean {
  return aboutTools.test(message);
}

/** Matches errors about reasoning. Ollama's do not contain the field's name. */
const aboutReasoning = /\breasoning_effort\b|reasoning value|think value|support thinking/;

/** Replaces the highest reasoning level by one that more servers support, and leaves other levels to the model's default. */
function withOtherReasoning(request: GenerationRequest, { message, param }: GatewayError): Adaptation | undefined {
  const { think, ...rest } = request;
  if (think === undefined || !(param === 'reasoning_effort' || aboutReasoning.test(message))) return undefined;
  if (think === 'max') return { request: { ...request, think: 'high' }, dropped: [] };
  // A model that cannot think has nothing to turn off.
  const honoured = think === false && /support thinking/.test(message);
  return { request: rest, dropped: honoured ? [] : ['reasoning_effort'] };
}

/** The sent fields that the server's error contains. */
function refusedFields(request: GenerationRequest, { message, param }: GatewayError): readonly string[] {
  const sent = new Set(Object.keys(toOpenAi(request).body));
  const optional = [...optionalFields, ...Object.keys(request.extra?.fields ?? {})];
  const candidates = optional.filter((field) => sent.has(field));
  if (param !== undefined && candidates.includes(param)) return [param];
  const words = new Set(`${message} ${param ?? ''}`.match(/\w+/g));
  // A field of messages, so it is not among the fields of the body.
  const reasoning = words.has('reasoning_content') && request.without?.includes('reasoning_content') !== true;
  return [...candidates.filter((field) => words.has(field)), ...(reasoning ? ['reasoning_content'] : [])];
}

/** @returns the client's name for a field of the body that is left out; none when the field has its effect all the same */
function clientNamesOf(field: string, { options, sampling }: GenerationRequest): string[] {
  // max_completion_tokens replaces the first, and the decoder enforces the second.
  if (field === 'max_tokens' || field === 'parallel_tool_calls') return [];
  // reasoning_effort says the same.
  if (field === 'chat_template_kwargs') return [];
  if (field === 'reasoning_content') return ['messages.reasoning_content'];
  if (field === 'repetition_penalty') return ['options.repeat_penalty'];
  const fromOptions = options?.[field] != null && !Object.hasOwn(sampling, camelCase(field));
  return [fromOptions ? `options.${field}` : field];
}

function camelCase(field: string): string {
  return field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
