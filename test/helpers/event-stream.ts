import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { createParser } from 'eventsource-parser';
import type { Answer } from './upstream.ts';
import { until } from './wait.ts';

export interface StreamEvent {
  readonly type?: string;
  readonly [field: string]: unknown;
}

/** A response that is read as it comes. */
export class EventStream {
  /** The whole text so far. */
  text = '';
  /** The events so far, as a client's parser passes them on: without comments. */
  readonly events: StreamEvent[] = [];
  readonly ended: Promise<void>;

  constructor(response: Response) {
    const parser = createParser({
      onEvent: ({ data }) =>
        void this.events.push(data === '[DONE]' ? { type: data } : (JSON.parse(data) as StreamEvent)),
    });
    this.ended = (async () => {
      assert.equal(response.status, 200);
      for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        this.text += text;
        parser.feed(text);
      }
    })();
    this.ended.catch(() => undefined);
  }

  /** Waits for this many events more than now. */
  async more(count: number): Promise<void> {
    const wanted = this.events.length + count;
    await until(`${wanted} events`, () => this.events.length >= wanted);
  }
}

/** An upstream's answer whose parts a test releases, one after the other. */
export function inParts(
  write: (res: ServerResponse, part: number) => void,
  parts: number,
): { answer: Answer; next: () => void } {
  const gates = Array.from({ length: parts }, () => Promise.withResolvers<void>());
  let released = 0;
  return {
    answer: async (res) => {
      for (const [part, { promise }] of gates.entries()) {
        await promise;
        write(res, part);
      }
    },
    next: () => gates[released++]?.resolve(),
  };
}
