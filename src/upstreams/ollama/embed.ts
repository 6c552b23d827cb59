import type { EmbedRequest, EmbedResponse } from 'ollama';
import type { EmbeddingsQuery } from '../../chat/backend.ts';
import type { EmbeddingsRequest, EmbeddingsResult } from '../../chat/embeddings.ts';
import { GatewayError, invalidValue } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { isVector } from '../coerce.ts';
import { readUsage } from './usage.ts';
import { statusError } from './error.ts';

/**
 * The request for `POST /api/embed`. `truncate` is always sent: without it Ollama cuts a text that is longer than the
 * model's context, and reports nothing.
 *
 * @see https://docs.ollama.com/api/embed
 */
export function embedQuery(request: EmbeddingsRequest): EmbeddingsQuery {
  const { model, input, dimensions, truncate = false, options, keepAlive } = request;
  return {
    method: 'POST',
    path: '/api/embed',
    dropped: [],
    body: {
      model,
      input: [...input],
      truncate,
      ...(dimensions !== undefined && { dimensions }),
      ...(keepAlive !== undefined && { keep_alive: keepAlive }),
      ...(options !== undefined && { options }),
    } satisfies EmbedRequest,
    read: (body) => readVectors(body, input.length),
  };
}

/** @throws {GatewayError} `upstream_protocol_error` unless there is a vector for each of the `count` texts */
function readVectors(body: unknown, count: number): EmbeddingsResult {
  const vectors: unknown = isObject(body) ? body['embeddings' satisfies keyof EmbedResponse] : undefined;
  if (!isObject(body) || !Array.isArray(vectors) || vectors.length !== count || !vectors.every(isVector)) {
    throw new GatewayError('upstream_protocol_error', 'The upstream did not send a vector for each input.');
  }
  return { vectors, ...readUsage(body) };
}

/**
 * Translates an error response of `/api/embed`. Some of its 5xx are about the request, so a retry cannot help.
 *
 * @param body the response's body, `{"error":"…"}` or something else
 * @param retryAfter the response's Retry-After, in seconds
 */
export function embedError(status: number, body: string, retryAfter?: number): GatewayError {
  const error = statusError(status, body, retryAfter);
  if (/does not support embeddings/.test(error.message))
    return invalidValue('model', 'The model does not support embeddings.');
  if (/no input provided/.test(error.message)) return invalidValue('input', 'A text of the input has no tokens.');
  return error;
}
