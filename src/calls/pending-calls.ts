import type { TextCall } from './text-call.ts';

/** Characters of text between two calls on one line. */
const maxBetween = 512;

interface Part {
  /** The text in front of the calls. */
  readonly before: string;
  /** The calls as they came. */
  readonly text: string;
  readonly calls: readonly TextCall[];
}

/**
 * Calls that are text after all if more text follows: on their line for calls with marks, anywhere for those without. A model that
 * explains a call goes on, one that calls a tool does not.
 */
export class PendingCalls {
  /** True if only their line matters. */
  readonly isOfLine: boolean;
  readonly parts: Part[] = [];
  #rest = '';
  #length = 0;

  constructor(isOfLine: boolean) {
    this.isOfLine = isOfLine;
  }

  get length(): number {
    return this.#length + this.#rest.length;
  }

  get endsWithCall(): boolean {
    return this.#rest === '';
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
    return this.isOfLine && !text.includes('\n') && this.#rest.length + text.length <= maxBetween;
  }

  addText(text: string): void {
    this.#rest += text;
  }
}
