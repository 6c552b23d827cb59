import type { GenerationRequest, JsonObject, Think } from '../../chat/request.ts';
import type { DroppedFields } from '../dropped-fields.ts';
import { boolean, checkExclusive, defined, integer, object, oneOf, string } from '../fields.ts';
import { readKeepAlive, readSampling, readThink, samplingFields } from '../shared-fields.ts';

/** The fields that chat completions and completions share. */
export const commonFields = [
  'model',
  'options',
  'keep_alive',
  ...samplingFields,
  'max_tokens',
  'max_completion_tokens',
  'n',
  'stream',
  'stream_options',
] as const;

/**
 * Reads the fields that chat completions and completions share.
 *
 * @returns an absent model as '': the operator may have configured a default
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 */
export function readCommon(
  body: JsonObject,
): Pick<GenerationRequest, 'model' | 'sampling'> & Partial<Pick<GenerationRequest, 'options' | 'keepAlive'>> {
  return {
    model: string(body['model'], 'model') ?? '',
    sampling: { ...readSampling(body), ...defined({ maxTokens: readMaxTokens(body) }) },
    ...defined({ options: object(body['options'], 'options'), keepAlive: readKeepAlive(body['keep_alive']) }),
  };
}

/** Reads the new and the deprecated name of the limit. The smaller of two limits satisfies both. */
function readMaxTokens(body: JsonObject): number | undefined {
  const limit = integer(body['max_completion_tokens'], 'max_completion_tokens', 1);
  const deprecated = integer(body['max_tokens'], 'max_tokens', 1);
  if (limit === undefined || deprecated === undefined) return limit ?? deprecated;
  return Math.min(limit, deprecated);
}

/** @returns true when the client wants the usage in the last chunk of the stream */
export function readIncludeUsage(value: unknown, dropped: DroppedFields): boolean {
  const options = object(value, 'stream_options');
  dropped.add('stream_options.include_obfuscation', options?.['include_obfuscation']);
  return boolean(options?.['include_usage'], 'stream_options.include_usage') ?? false;
}

/**
 * Repeats a request for each of its choices. A seed is increased by one for each: the same seed would give the same
 * answer.
 */
export function repeatRequest<Request extends GenerationRequest>(
  request: Request,
  count: number,
): [Request, ...Request[]] {
  const { seed } = request.sampling;
  const others = Array.from({ length: count - 1 }, (_, index) =>
    seed === undefined ? request : { ...request, sampling: { ...request.sampling, seed: seed + index + 1 } },
  );
  return [request, ...others];
}

/** OpenAI's efforts, and the canonical level of each. */
const levels: Readonly<Record<string, Think>> = {
  none: false,
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'max',
  max: 'max',
};

/**
 * Reads how hard the model should think, from OpenAI's field for it or from Ollama's own `think`.
 *
 * @param effort the value of OpenAI's field
 * @param path of OpenAI's field
 * @throws {GatewayError} 400 with `param` for an unknown level, and when a client sends both fields
 */
export function readEffort(body: JsonObject, effort: unknown, path: string): Think | undefined {
  const think = body['think'];
  checkExclusive([path, effort], ['think', think]);
  const level = oneOf(effort, path, Object.keys(levels));
  return level === undefined ? readThink(think) : levels[level];
}

/** @returns true when the client does not want to see the thinking. LiteLLM's users write the field `hidethinking`. */
export function readHideThinking(body: JsonObject): boolean {
  return boolean(body['hide_thinking'], 'hide_thinking') ?? boolean(body['hidethinking'], 'hidethinking') ?? false;
}
