import type { GenerationRequest, JsonObject, Think } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { boolean, integer, oneOf, optional, readKeepAlive, string } from '../fields.ts';
import type { DroppedFields } from '../dropped-fields.ts';
import { readOptions } from './options.ts';

/** The fields that `/api/chat` and `/api/generate` share. */
export const commonFields = [
  'model',
  'stream',
  'format',
  'think',
  'options',
  'keep_alive',
  'truncate',
  'logprobs',
  'top_logprobs',
] as const;

/** What OpenAI's chat completions call otherwise. */
export const fieldNames = {
  'messages.content.image_url': 'images',
  reasoning_effort: 'think',
  response_format: 'format',
} as const;

/** Fields of the API that only an Ollama has a use for. */
export const droppable = [
  'context',
  'shift',
  'system',
  'template',
  'tool_choice',
  'top_logprobs',
  'width',
  'height',
  'steps',
  '_debug_render_only',
] as const;

/** An absent model is '': the operator may have a default. @throws {GatewayError} 400 with `param` */
export function readCommon(body: JsonObject, ledger: DroppedFields): Omit<GenerationRequest, 'kind'> {
  return {
    model: string(body['model'], 'model') ?? '',
    ...readOptions(body['options']),
    ...optional('format', readFormat(body['format'])),
    ...optional('think', readThink(body['think'])),
    ...optional('logprobs', readLogprobs(body, ledger)),
    ...optional('keepAlive', readKeepAlive(body['keep_alive'])),
    ...optional('truncate', boolean(body['truncate'], 'truncate')),
  };
}

/** Streamed unless the client says otherwise. */
export function readStream(body: JsonObject): boolean {
  return boolean(body['stream'], 'stream') ?? true;
}

function readFormat(value: unknown): 'json' | JsonObject | undefined {
  if (value == null || value === '') return undefined;
  if (value === 'json' || isObject(value)) return value;
  throw invalidValue('format', 'format must be "json" or a JSON Schema.');
}

function readThink(value: unknown): Think | undefined {
  if (typeof value === 'boolean') return value;
  return oneOf(value === '' ? undefined : value, 'think', ['low', 'medium', 'high', 'max']);
}

/** Ollama takes no notice of a number of alternatives without `logprobs`. */
function readLogprobs(body: JsonObject, ledger: DroppedFields): GenerationRequest['logprobs'] {
  const top = integer(body['top_logprobs'], 'top_logprobs', 0, 20);
  if (boolean(body['logprobs'], 'logprobs') === true) return { top: top ?? 0 };
  if (top !== 0) ledger.note('top_logprobs', top);
  return undefined;
}
