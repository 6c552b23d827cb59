import type { ChatResponse } from 'ollama';
import type { GenerationRequest } from '../../chat/request.ts';

/** The fields of the answer besides its content. */
interface LoadOnly extends Pick<ChatResponse, 'done' | 'done_reason'> {
  readonly model: string;
  readonly created_at: string;
}

/**
 * Answers a request that contains nothing to generate from, which clients send to load or unload a model. Other backends
 * keep their models loaded, so there is nothing to do, and clients need no more than this answer.
 *
 * @param content an empty message or response
 * @see https://docs.ollama.com/faq#how-can-i-preload-a-model-into-ollama-to-get-faster-response-times
 */
export function loadOnlyResponse<Content extends object>(
  { model, keepAlive }: Pick<GenerationRequest, 'model' | 'keepAlive'>,
  content: Content,
): LoadOnly & Content {
  const head = { model, created_at: new Date().toISOString() };
  return { ...head, ...content, done: true, done_reason: isZero(keepAlive) ? 'unload' : 'load' };
}

/** A Go duration is zero when it has no digit other than 0, whatever its units. */
function isZero(keepAlive: string | number | undefined): boolean {
  return typeof keepAlive === 'string' ? /0/.test(keepAlive) && !/[1-9]/.test(keepAlive) : keepAlive === 0;
}
