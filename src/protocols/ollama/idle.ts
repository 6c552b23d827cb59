import type { ChatResponse } from 'ollama';
import type { GenerationRequest } from '../../chat/request.ts';

/** What begins and ends the answer to a request that only loads a model, or unloads it. */
interface Idle extends Pick<ChatResponse, 'done' | 'done_reason'> {
  readonly model: string;
  readonly created_at: string;
}

/**
 * The answer to a request with nothing to generate from, with which clients load a model or unload it. Other backends
 * keep theirs loaded: there is nothing to be done, and clients look for no more than this answer.
 *
 * @param content what stands where the answer's text would
 * @see https://docs.ollama.com/faq#how-can-i-preload-a-model-into-ollama-to-get-faster-response-times
 */
export function idleAnswer<Content extends object>(
  { model, keepAlive }: Pick<GenerationRequest, 'model' | 'keepAlive'>,
  content: Content,
): Idle & Content {
  const head = { model, created_at: new Date().toISOString() };
  return { ...head, ...content, done: true, done_reason: isZero(keepAlive) ? 'unload' : 'load' };
}

/** A Go duration without any digit but 0 is no time at all, whatever its units. */
function isZero(keepAlive: string | number | undefined): boolean {
  return typeof keepAlive === 'string' ? /0/.test(keepAlive) && !/[1-9]/.test(keepAlive) : keepAlive === 0;
}
