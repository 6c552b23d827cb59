import { setImmediate as nextTick } from 'node:timers/promises';
import { recording } from './recordings.ts';
import type { Answer } from './upstream.ts';

interface Part {
  /** Number of lines to send; all by default. With 0, not even the status is sent. */
  readonly lines?: number;
  /** What follows the lines: the end of the answer, a broken connection, or silence. */
  readonly after?: 'end' | 'break' | 'hold';
}

/** Answers with the bytes of a recording, one write per line. */
export function replay(name: string, { lines = Infinity, after = 'end' }: Part = {}): Answer {
  const { body, contentType, status } = recording(name);
  // latin1 keeps bytes that are not UTF-8.
  const parts = body
    .toString('latin1')
    .split(/(?<=\n)/)
    .slice(0, lines);
  return async (res) => {
    if (lines > 0) res.writeHead(status, contentType === null ? {} : { 'content-type': contentType });
    for (const part of parts) {
      await new Promise<void>((resolve) => {
        res.write(part, 'latin1', () => resolve());
      });
      // So that the reader gets this line before the next one.
      await nextTick();
    }
    if (after === 'end') res.end();
    if (after === 'break') res.destroy();
  };
}

/** The first request gets the first answer, the second request the second. All later requests get a 400. */
export function inTurn(...answers: readonly Answer[]): Answer {
  const left = [...answers];
  return async (res, request) => {
    const answer = left.shift();
    if (answer === undefined) res.writeHead(400).end('{"error":"one request too many"}');
    else await answer(res, request);
  };
}
