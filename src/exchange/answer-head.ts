import type { AnswerHead } from '../chat/protocol.ts';
import type { Exchange } from './exchange.ts';

/** @param model the name that the client used */
export function answerHead({ id, idIsChosen, startedAt }: Exchange, model: string): AnswerHead {
  const created = Math.floor(Date.now() / 1000);
  return { id, idIsChosen, model, created, arrivedAt: performance.timeOrigin + startedAt, now };
}

/** Finer than Date, and monotonic. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
