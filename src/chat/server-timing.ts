import { sseComment } from '../framing/sse.ts';
import type { Timings } from './event.ts';

const names = ['queue', 'load', 'prompt', 'generate'] as const;

/**
 * Formats the backend's own durations as a `server-timing` header. The queue is the gateway's and the backend's together.
 *
 * @returns for example `queue;dur=0.3, load;dur=12, prompt;dur=40.5, generate;dur=800`, in milliseconds; '' if unknown
 * @see https://www.w3.org/TR/server-timing/
 */
export function serverTiming({ total, load, promptEval, eval: generate, queue }: Timings): string {
  const known = (load ?? 0) + (promptEval ?? 0) + (generate ?? 0);
  const spans = {
    queue: total === undefined ? queue : Math.max(0, total - known) + (queue ?? 0),
    load,
    prompt: promptEval,
    generate,
  };
  let text = '';
  for (const name of names) {
    const seconds = spans[name];
    if (seconds !== undefined) text += `${text && ', '}${name};dur=${Math.round(seconds * 1e5) / 100}`;
  }
  return text;
}

/** @param queuedMs milliseconds in the gateway's own queue */
export function withQueueTime(timings: Timings, queuedMs: number): Timings {
  return queuedMs > 0 ? { ...timings, queue: queuedMs / 1000 } : timings;
}

/** @returns the same as an SSE comment, which clients' parsers skip: headers are long sent when it is known */
export function serverTimingComment(timings: Timings): string {
  const timing = serverTiming(timings);
  return timing === '' ? '' : sseComment(`server-timing: ${timing}`);
}
