import { type Decision, decideAfterMark, decideBare, maxBeginning } from '../formats/beginning.ts';
import type { Mark } from '../formats/marks.ts';
import type { ToolNames } from '../tool-names.ts';

/** Marks around values that may contain anything, the closing mark of the call included. */
const valueStarts = ['<parameter', '<arg_value>', '<｜DSML｜parameter'];
const valueEnds = ['</parameter>', '</arg_value>', '</｜DSML｜parameter>'];
const fence = '```';

/**
 * A text that may be a call, held back as it arrives. Each character is looked at once, once more in the beginning: texts of any
 * length take linear time.
 */
export class HeldCall {
  /** Undefined for a call without a mark. */
  readonly mark: Mark | undefined;
  readonly #names: ToolNames;
  readonly #isFirst: boolean;
  readonly #closers: readonly string[];
  readonly #parts: string[] = [];
  /** Characters so far. */
  length = 0;
  /** The number of characters that were looked at, for tests. */
  work = 0;
  #form: Decision;
  /** The first characters, until the form is known. */
  #beginning = '';
  #quote = '';
  #escaped = false;
  #depth = 0;
  #isFirstBracket = false;
  #hasBegun = false;
  /** True once there was a bracket or a quote. */
  #hasOpened = false;
  #hasBody = false;
  /** True once all brackets are closed. */
  #isComplete = false;
  #inValue = false;
  /** The last characters, which may begin a mark. */
  #candidate = '';
  /** Characters of the mark that closed the call. */
  #closerLength = 0;

  /** @param isFirst true if nothing precedes it */
  constructor(mark: Mark | undefined, names: ToolNames, isFirst: boolean) {
    this.mark = mark;
    this.#isFirst = isFirst;
    this.#names = names;
    this.#closers = mark?.close ?? [fence];
  }

  /** True if it ends with its brackets, or has its closing mark: not just because nothing more came. */
  get isWhole(): boolean {
    return this.#isComplete || this.#closerLength > 0;
  }

  /** The whole text, as it came. */
  get text(): string {
    return this.#parts.join('');
  }

  /** The text between the marks. */
  get body(): string {
    const { mark, text } = this;
    const start = mark === undefined || mark.isPart === true ? 0 : mark.open.length;
    return text.slice(start, text.length - this.#closerLength);
  }

  /** The text up to the first closing mark, for a call whose brackets or quotes do not match. */
  get bodyToFirstMark(): string {
    const { body } = this;
    const ends = this.#closers.map((closer) => body.indexOf(closer, fence.length)).filter((end) => end !== -1);
    return ends.length === 0 ? body : body.slice(0, Math.min(...ends));
  }

  /**
   * Takes more of the text.
   *
   * @param text which begins, in the first call, with the mark
   * @returns `text` if it is no call; the index after the end of the call; undefined if all of the text was taken and more may
   *   follow
   */
  add(text: string, from: number): number | 'text' | undefined {
    if (this.#form !== undefined) return this.#scan(text, from);
    const taken = text.slice(from, from + maxBeginning - this.#beginning.length);
    const before = this.#beginning.length;
    this.#beginning += taken;
    this.work += this.#beginning.length;
    this.#form = this.#decide();
    if (this.#form === 'text') return 'text';
    if (this.#form === undefined) {
      if (this.#beginning.length === maxBeginning) return 'text';
      this.#keep(taken);
      return undefined;
    }
    const skipped = this.mark?.isPart === true ? 0 : (this.mark?.open.length ?? 0);
    const whole = this.#beginning.slice(0, before) + text.slice(from);
    this.#parts.length = 0;
    this.length = 0;
    this.#keep(whole.slice(0, skipped));
    const end = this.#scan(whole, skipped);
    return typeof end === 'number' ? end - before + from : end;
  }

  /** The text that is no call. Its first characters are not part of one in any case. */
  get refused(): string {
    return this.#beginning;
  }

  #decide(): Decision {
    const { mark } = this;
    if (mark === undefined) return decideBare(this.#beginning, this.#names, this.#isFirst);
    return decideAfterMark(mark, this.#beginning.slice(mark.open.length), this.#names);
  }

  #keep(text: string): void {
    if (text === '') return;
    this.#parts.push(text);
    this.length += text.length;
  }

  #scan(text: string, from: number): number | undefined {
    const readsBrackets = this.#form === 'brackets';
    for (let at = from; at < text.length; at += 1) {
      this.work += 1;
      const character = text.charAt(at);
      const end = readsBrackets ? this.#readBracket(character) : this.#readMark(character);
      if (end === undefined) continue;
      const next = end === 'here' ? at + 1 : at;
      this.#keep(text.slice(from, next));
      return next;
    }
    this.#keep(text.slice(from));
    return undefined;
  }

  /** @returns `here` if the call ends with this character, `before` if it ended before it */
  #readMark(character: string): 'here' | 'before' | undefined {
    const found = this.#markEndingWith(character);
    if (found === undefined) return undefined;
    if (valueStarts.includes(found)) this.#inValue = true;
    else if (valueEnds.includes(found)) this.#inValue = false;
    else if (!this.#inValue) return this.#close(found);
    return undefined;
  }

  #close(closer: string): 'here' {
    this.#closerLength = closer.length;
    return 'here';
  }

  #markEndingWith(character: string): string | undefined {
    const known = this.#form === 'brackets' ? this.#closers : [...this.#closers, ...valueStarts, ...valueEnds];
    const longer = this.#candidate + character;
    this.#candidate = [longer, character].find((one) => known.some((mark) => mark.startsWith(one))) ?? '';
    if (!known.includes(this.#candidate)) return undefined;
    const found = this.#candidate;
    this.#candidate = '';
    return found;
  }

  #readBracket(character: string): 'here' | 'before' | undefined {
    if (this.#quote !== '') return this.#readQuoted(character);
    // The fence in front of the call is not its end.
    const closer = this.#hasOpened ? this.#markEndingWith(character) : undefined;
    if (closer !== undefined) return this.#close(closer);
    if (this.#isComplete && this.#isAfterEnd(character)) return 'before';
    if (character === '"' || (character === "'" && this.#depth > 0)) {
      this.#quote = character;
      this.#hasBegun = true;
      this.#hasOpened = true;
    } else if ('{[('.includes(character)) this.#open(character);
    else if ('}])'.includes(character)) this.#closeBracket();
    else if (character.trim() !== '' && character !== '`') this.#hasBegun = true;
    return undefined;
  }

  #readQuoted(character: string): undefined {
    if (this.#escaped) this.#escaped = false;
    else if (character === '\\') this.#escaped = true;
    else if (character === this.#quote) this.#quote = '';
    return undefined;
  }

  /** True for a character that is neither part of the call nor of a mark that closes it. */
  #isAfterEnd(character: string): boolean {
    if (this.#candidate !== '' || character.trim() === '' || '}])'.includes(character)) return false;
    const isNext = this.mark !== undefined && this.mark.close.length > 0 && '{[,;`'.includes(character);
    return !isNext;
  }

  #open(character: string): void {
    if (!this.#hasBegun) this.#isFirstBracket = true;
    this.#hasBegun = true;
    this.#hasOpened = true;
    this.#hasBody ||= character !== '[';
    this.#depth += 1;
    this.#isComplete = false;
  }

  #closeBracket(): void {
    this.#depth = Math.max(0, this.#depth - 1);
    // Mistral's [ARGS] is no list.
    this.#isComplete = this.#depth === 0 && (this.#hasBody || this.#isFirstBracket);
  }
}
