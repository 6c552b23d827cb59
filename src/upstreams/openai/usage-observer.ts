import type { UsageObserver, StreamOutcome, TotalUsage } from '../../chat/stream.ts';
import { isObject } from '../../framing/json.ts';
import { toTimings, toUsage } from './usage.ts';
import { AnswerReader } from './reader.ts';

/** Bytes of an event, or of an answer in one piece, that are looked at; a larger one goes uncounted. */
const maxBytes = 1024 * 1024;

/** What it takes for an event to be of interest: a token costs three searches and no parsing. */
const telling = /"(usage|error|finish_reason)"\s*:\s*[{"]|"object"\s*:\s*"error"/;

/** Reads along an answer that is relayed untouched. Nothing that it meets fails the answer. */
export class OpenAiUsageObserver implements UsageObserver {
  readonly #reader = new AnswerReader(maxBytes, (json, event) => this.#read(json, event));
  #finish: TotalUsage | undefined;
  #failed = false;
  #finished = false;
  #lost = false;

  push(bytes: Uint8Array): void {
    this.#try(() => this.#reader.push(bytes));
  }

  /** @returns the last usage of the answer, and how it ended */
  end(): { finish?: TotalUsage; outcome: StreamOutcome } {
    this.#try(() => this.#reader.end());
    return { ...(this.#finish !== undefined && { finish: this.#finish }), outcome: this.#outcome };
  }

  get #outcome(): StreamOutcome {
    if (this.#failed) return 'failed';
    return this.#finished || this.#lost || this.#reader.whole ? 'complete' : 'incomplete';
  }

  #read(json: string, event: string | undefined): void {
    if (json.trim() === '[DONE]') {
      this.#finished = true;
      return;
    }
    if (event === 'error') this.#failed = true;
    if (!telling.test(json)) return;
    const chunk: unknown = JSON.parse(json);
    if (!isObject(chunk)) return;
    if (Boolean(chunk['error']) || chunk['object'] === 'error') this.#failed = true;
    const { usage, timings, choices } = chunk;
    if (isObject(usage)) this.#finish = { usage: toUsage(usage), timings: toTimings(timings) };
    const [choice]: unknown[] = Array.isArray(choices) ? choices : [];
    if (isObject(choice) && choice['finish_reason']) this.#finished = true;
  }

  /** What cannot be read, or is too large, is left unread. */
  #try(step: () => void): void {
    if (this.#lost) return;
    try {
      step();
    } catch {
      this.#lost = true;
    }
  }
}
