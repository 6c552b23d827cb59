import type { Emit, Usage } from '../event.ts';

/** Characters that must repeat before an answer is ended. */
const window = 2_048;
/** Characters of the longest text whose repetition is recognised: it must come at least eight times. */
const longestPeriod = window / 8;
/** Characters of white space in a row. No formatting has as many. */
const whitespaceRun = 1_024;
/** Characters between two checks. */
const interval = 256;

/** Recognises a text that does nothing but repeat itself. Costs about ten steps a character. */
export class RepetitionDetector {
  #tail = '';
  #unchecked = 0;

  /** Adds the next piece of the text. @returns true once the end of the text only repeats itself */
  add(text: string): boolean {
    this.#tail += text;
    this.#unchecked += text.length;
    if (this.#unchecked < interval) return false;
    this.#unchecked = 0;
    this.#tail = this.#tail.slice(-window);
    if (this.#tail.length >= whitespaceRun && this.#tail.slice(-whitespaceRun).trim() === '') return true;
    return this.#tail.length === window && smallestPeriod(this.#tail) <= longestPeriod;
  }

  reset(): void {
    this.#tail = '';
    this.#unchecked = 0;
  }
}

/** @returns after how many characters a text repeats itself, by the prefix function of Knuth, Morris and Pratt */
function smallestPeriod(text: string): number {
  const prefixes = new Uint16Array(text.length);
  let length = 0;
  for (let at = 1; at < text.length; at += 1) {
    while (length > 0 && text.charCodeAt(at) !== text.charCodeAt(length)) length = prefixes[length - 1] ?? 0;
    if (text.charCodeAt(at) === text.charCodeAt(length)) length += 1;
    prefixes[at] = length;
  }
  return text.length - length;
}

/**
 * Ends an answer whose text or thinking repeats itself, as if it had reached its length: a model that never closes a string
 * would hold its slot until the end of its context and beyond.
 *
 * @param inputTokens reported as the prompt's length; the backend's own count would come only with its own end
 * @param onCut called when the rest of the backend's answer is not needed
 */
export function endAtRepetition(inputTokens: number, emit: Emit, onCut: () => void): Emit {
  const detector = new RepetitionDetector();
  let kind = '';
  let outputTokens = 0;
  let ended = false;
  return (event) => {
    if (ended) return;
    emit(event);
    if (event.type !== 'text' && event.type !== 'reasoning') return;
    outputTokens += 1;
    if (event.type !== kind) detector.reset();
    kind = event.type;
    if (!detector.add(event.text)) return;
    ended = true;
    const usage: Usage = { inputTokens, outputTokens };
    emit({ type: 'finish', reason: 'length', usage, timings: {} });
    onCut();
  };
}
