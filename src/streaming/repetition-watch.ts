import type { DecoderMaker } from '../chat/stream.ts';
import { endAtRepetition } from '../chat/filters/repetition.ts';

/** Watches the bytes of an answer that is passed through for a text that only repeats itself. */
export class RepetitionWatch {
  readonly #decoder: ReturnType<DecoderMaker>;
  readonly #onRepetition: () => void;
  #repeats = false;
  /** False once the answer could not be read: it is passed through all the same. */
  #reads = true;

  constructor(decoder: DecoderMaker, onRepetition: () => void) {
    this.#onRepetition = onRepetition;
    this.#decoder = decoder(
      endAtRepetition(
        0,
        () => undefined,
        () => {
          this.#repeats = true;
        },
      ),
    );
  }

  /** @returns true if the answer should end after these bytes, which end with a whole record */
  push(bytes: Buffer): boolean {
    if (!this.#reads) return false;
    try {
      this.#decoder.push(bytes);
    } catch {
      this.#reads = false;
    }
    if (!this.#repeats || bytes.at(-1) !== 0x0a) return false;
    this.#reads = false;
    this.#onRepetition();
    return true;
  }
}
