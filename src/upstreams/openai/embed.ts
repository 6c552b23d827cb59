import type { EmbeddingCreateParams } from 'openai/resources/embeddings';
import type { EmbeddingsQuery } from '../../chat/backend.ts';
import type { EmbeddingsRequest, EmbeddingsResult } from '../../chat/embeddings.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { isVector } from '../coerce.ts';
import { toTimings, toUsage } from './usage.ts';

/**
 * The request for `POST /embeddings`, which has no fields for `truncate`, Ollama's options and `keep_alive`.
 *
 * @see https://platform.openai.com/docs/api-reference/embeddings/create
 */
export function embedQuery(request: EmbeddingsRequest): EmbeddingsQuery {
  const { model, input, dimensions } = request;
  return {
    dropped: [
      ...(request.truncate === true ? ['truncate'] : []),
      ...Object.keys(request.options ?? {}).map((option) => `options.${option}`),
      ...(request.keepAlive === undefined ? [] : ['keep_alive']),
    ],
    method: 'POST',
    path: '/embeddings',
    body: {
      model,
      input: [...input],
      ...(dimensions !== undefined && { dimensions }),
      encoding_format: 'float',
    } satisfies EmbeddingCreateParams,
    read: (body) => readVectors(body, input.length),
  };
}

/** @throws {GatewayError} `upstream_protocol_error` unless there is a vector for each of the `count` texts */
function readVectors(body: unknown, count: number): EmbeddingsResult {
  const data: unknown = isObject(body) ? body['data'] : undefined;
  const vectors = new Map<number, number[]>();
  for (const [position, item] of Array.isArray(data) ? data.entries() : []) {
    const { index, embedding } = isObject(item) ? item : {};
    if (isVector(embedding)) vectors.set(typeof index === 'number' ? index : position, embedding);
  }
  const ordered = Array.from({ length: count }, (_, index) => vectors.get(index) ?? []);
  if (!isObject(body) || ordered.some((vector) => vector.length === 0)) {
    throw new GatewayError('upstream_protocol_error', 'The upstream did not send a vector for each input.');
  }
  return {
    vectors: ordered,
    usage: toUsage(isObject(body['usage']) ? body['usage'] : {}),
    timings: toTimings(undefined),
  };
}
