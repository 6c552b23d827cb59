import type { UsageObserver, StreamOutcome, TotalUsage } from '../../chat/stream.ts';
import { isObject } from '../../framing/json.ts';
import { RecordReader } from './record-reader.ts';
import { toTimings, toUsage } from './usage.ts';

/** Bytes of an event, or of a response that is not streamed. Usage in larger ones is not counted. */
const maxBytes = 1024 * 1024;

/** Matches events that may hold usage, an error or the end. Most events hold only text and need not be parsed. */
const relevant = /"(usage|error|finish_reason)"\s*:\s*[{"]|"object"\s*:\s*"error"/;

/** Reads usage from a response that is passed through. Never throws: nothing in a response may fail it. */
export class OpenAiUsageObserver implements UsageObserver {
  readonly #reader = new RecordReader(maxBytes, (json, event) => this.#read(json, event));
  #finish: TotalUsage | undefined;
  #failed = false;
  #finished = false;
  /** True once something could not be read or was too large; the rest is then ignored. */
  #unreadable = false;

  push(bytes: Uint8Array): void {
    this.#try(() => this.#reader.push(bytes));
  }

  /** @returns the last usage of the response, and its outcome */
  end(): { finish?: TotalUsage; outcome: StreamOutcome } {
    this.#try(() => this.#reader.end());
    return { ...(this.#finish !== undefined && { finish: this.#finish }), outcome: this.#outcome };
  }

  get #outcome(): StreamOutcome {
    if (this.#failed) return 'failed';
    return this.#finished || this.#unreadable || this.#reader.format === 'json' ? 'complete' : 'incomplete';
  }

  #read(json: string, event: string | undefined): void {
    if (json.trim() === '[DONE]') {
      this.#finished = true;
      return;
    }
    if (event === 'error') this.#failed = true;
    if (!relevant.test(json)) return;
    const chunk: unknown = JSON.parse(json);
    if (!isObject(chunk)) return;
    if (Boolean(chunk['error']) || chunk['object'] === 'error') this.#failed = true;
    const { usage, timings, choices } = chunk;
    if (isObject(usage)) this.#finish = { usage: toUsage(usage), timings: toTimings(timings) };
    const [choice]: unknown[] = Array.isArray(choices) ? choices : [];
    if (isObject(choice) && choice['finish_reason']) this.#finished = true;
  }

  #try(read: () => void): void {
    if (this.#unreadable) return;
    try {
      read();
    } catch {
      this.#unreadable = true;
    }
  }
}
