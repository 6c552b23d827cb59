import type { GenerationRequest, JsonObject } from '../../chat/request.ts';
import type { DroppedFields } from '../dropped-fields.ts';
import { boolean, defined, integer, string } from '../fields.ts';
import { readFormat, readKeepAlive, readThink } from '../shared-fields.ts';
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

/** Ollama's names of fields, by their names in OpenAI's chat completions. */
export const fieldNames = {
  'messages.content.image_url': 'images',
  'messages.content.input_audio': 'images',
  reasoning_effort: 'think',
  response_format: 'format',
} as const;

/** Fields of the API that only an Ollama server can use. */
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

/**
 * Reads the fields that `/api/chat` and `/api/generate` share.
 *
 * @returns an absent model as '': the operator may have configured a default
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 */
export function readCommon(body: JsonObject, dropped: DroppedFields): Omit<GenerationRequest, 'kind'> {
  const think = body['think'];
  return {
    model: string(body['model'], 'model') ?? '',
    ...readOptions(body['options']),
    ...defined({
      format: readFormat(body['format']),
      think: readThink(think === '' ? undefined : think),
      logprobs: readLogprobs(body, dropped),
      keepAlive: readKeepAlive(body['keep_alive']),
      truncate: boolean(body['truncate'], 'truncate'),
    }),
  };
}

/** @returns true for a streamed answer, which is the default */
export function readStream(body: JsonObject): boolean {
  return boolean(body['stream'], 'stream') ?? true;
}

/** Ollama ignores `top_logprobs` without `logprobs`. */
function readLogprobs(body: JsonObject, dropped: DroppedFields): GenerationRequest['logprobs'] | undefined {
  const top = integer(body['top_logprobs'], 'top_logprobs', 0, 20);
  if (boolean(body['logprobs'], 'logprobs') === true) return { top: top ?? 0 };
  if (top !== 0) dropped.add('top_logprobs', top);
  return undefined;
}
