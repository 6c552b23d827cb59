import type { Surroundings } from './surroundings.ts';
import type { TextCall } from '../text-call.ts';

/** Characters of text between two calls on one line. */
const maxBetween = 512;

/** Tokens that end an answer, which some servers do not remove. */
const end = /^(?:\s|<\|(?:im_end|endoftext|end)\|>|<\/s>|<end_of_turn>)*$/;

const endTokens = ['<|im_end|>', '<|endoftext|>', '<|end|>', '</s>', '<end_of_turn>'];

/** True for such tokens, and for the beginning of one. */
function mayBeEnd(text: string): boolean {
  let rest = text.trimStart();
  for (;;) {
    const token = endTokens.find((one) => rest.startsWith(one));
    if (token === undefined) return endTokens.some((one) => one.startsWith(rest));
    rest = rest.slice(token.length).trimStart();
  }
}

interface Part {
  /** The text in front of the calls. */
  readonly before: string;
  /** The calls as they came. */
  readonly text: string;
  readonly calls: readonly TextCall[];
}

/**
 * Calls that are text after all if more text follows: on their line, or anywhere for calls without marks or in the middle of a
 * sentence. A model that explains a call goes on, one that calls a tool does not.
 */
export class PendingCalls {
  /** True if only their line matters. */
  readonly isOfLine: boolean;
  /** The place after it, as if the calls were not there. */
  readonly place: Surroundings;
  readonly parts: Part[] = [];
  #rest = '';
  #length = 0;

  constructor(isOfLine: boolean, place: Surroundings) {
    this.isOfLine = isOfLine;
    this.place = place;
  }

  get length(): number {
    return this.#length + this.#rest.length;
  }

  get endsWithCall(): boolean {
    return end.test(this.#rest);
  }

  /** The text after the last call. */
  get rest(): string {
    return this.#rest;
  }

  /** All of it, as it came. */
  get text(): string {
    return this.parts.map(({ before, text }) => before + text).join('') + this.#rest;
  }

  addCalls(text: string, calls: readonly TextCall[]): void {
    this.parts.push({ before: this.#rest, text, calls });
    this.#length += this.#rest.length + text.length;
    this.#rest = '';
  }

  /** True if another call may follow this text, so that all of them are calls. */
  mayGoOn(text: string): boolean {
    return (
      (this.isOfLine || mayBeEnd(this.#rest + text)) &&
      !text.includes('\n') &&
      this.#rest.length + text.length <= maxBetween
    );
  }

  /** @param placed the text as far as it makes a difference for the place */
  addText(text: string, placed: string): void {
    this.#rest += text;
    this.place.add(placed);
  }
}
