import { setImmediate as nextTurn } from 'node:timers/promises';
import { recording } from './recordings.ts';
import type { Answer } from './upstream.ts';

interface Part {
  /** Lines to send; all of them unless it says so. With 0 not even the head of the answer goes out. */
  readonly lines?: number;
  /** After the lines: the end, a broken connection, or silence. */
  readonly after?: 'end' | 'break' | 'hold';
}

/** Answers with the bytes of a recording, a write for each line. */
export function replay(name: string, { lines = Infinity, after = 'end' }: Part = {}): Answer {
  const { body, contentType, status } = recording(name);
  // latin1 keeps bytes that are not UTF-8.
  const pieces = body
    .toString('latin1')
    .split(/(?<=\n)/)
    .slice(0, lines);
  return async (res) => {
    if (lines > 0) res.writeHead(status, contentType === null ? {} : { 'content-type': contentType });
    for (const piece of pieces) {
      await new Promise<void>((resolve) => {
        res.write(piece, 'latin1', () => resolve());
      });
      // Lets the reader have this line before the next one.
      await nextTurn();
    }
    if (after === 'end') res.end();
    if (after === 'break') res.destroy();
  };
}

/** The first request gets the first answer, the second the second. One more is refused. */
export function inTurn(...answers: readonly Answer[]): Answer {
  const left = [...answers];
  return async (res, request) => {
    const answer = left.shift();
    if (answer === undefined) res.writeHead(400).end('{"error":"one request too many"}');
    else await answer(res, request);
  };
}
