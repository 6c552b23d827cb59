import type { UsageObserver, StreamOutcome, TotalUsage } from '../../chat/stream.ts';
import type { JsonObject } from '../../chat/request.ts';
import { BoundedBytes } from '../../framing/bounded-bytes.ts';
import { isObject } from '../../framing/json.ts';
import { JsonOutline } from './json-outline.ts';
import { isStreamError } from './error.ts';
import { readUsage } from './usage.ts';

const newline = 0x0a;
/** Bytes of a line that are held as they are. Of a longer line only the outline is kept. */
const maxHeldBytes = 64 * 1024;

/** Reads usage from a response that is passed through: from its last line, the only one that is kept. */
export class OllamaUsageObserver implements UsageObserver {
  /** The last line, or what follows the part that is in the outline. */
  readonly #held = new BoundedBytes(maxHeldBytes);
  /** The beginning of a long last line. */
  #outline: JsonOutline | undefined;
  #lineEnded = true;

  push(bytes: Buffer): void {
    const start = bytes.length > 1 ? bytes.lastIndexOf(newline, bytes.length - 2) + 1 : 0;
    if (this.#lineEnded || start > 0) {
      this.#outline = undefined;
      this.#held.take();
    }
    this.#lineEnded = bytes.at(-1) === newline;
    if (!this.#held.add(bytes.subarray(start))) this.#outline = this.#outlined();
  }

  /** @returns the counts of the last line, and the outcome that it reports */
  end(): { finish?: TotalUsage; outcome: StreamOutcome } {
    let line: unknown;
    try {
      line = JSON.parse(this.#outlined().text);
    } catch {
      // Not every response is JSON. One that is ends with a newline.
      return { outcome: this.#lineEnded ? 'complete' : 'incomplete' };
    }
    if (!isObject(line)) return { outcome: 'complete' };
    return { outcome: outcomeOf(line), ...('total_duration' in line && { finish: readUsage(line) }) };
  }

  #outlined(): JsonOutline {
    const outline = this.#outline ?? new JsonOutline();
    outline.push(this.#held.take());
    return outline;
  }
}

function outcomeOf({ error, done }: JsonObject): StreamOutcome {
  if (isStreamError(error)) return 'failed';
  return done === false ? 'incomplete' : 'complete';
}
