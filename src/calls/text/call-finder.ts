import { type Decision, decideAfterMark, decideBare, maxBeginning } from '../formats/beginning.ts';
import { type Mark, markIn } from '../formats/marks.ts';
import type { Surroundings } from './surroundings.ts';
import type { ToolNames } from '../tool-names.ts';

/** Characters in which most texts show not to be a call. */
const firstLook = 48;

/** A call without a mark may begin with these, at the beginning of a line. */
const bareBeginning = /(^|\n)[^\S\n]*(?=[{[`Af])/g;

interface Found {
  readonly index: number;
  /** Undefined for a call without a mark. */
  readonly mark: Mark | undefined;
}

/** What precedes a text. */
export interface Before {
  /** True if nothing but white space precedes the text on its line. */
  readonly isLineStart: boolean;
  /** True if nothing but white space precedes the text in its answer. */
  readonly isStart: boolean;
  readonly place: Surroundings;
}

/** Finds where in a text a call may begin. */
export class CallFinder {
  readonly #names: ToolNames;
  /** The number of characters that were looked at, for tests. */
  work = 0;

  constructor(names: ToolNames) {
    this.#names = names;
  }

  /**
   * @param refused what begins at the first character, and is no call: only another one may begin there
   * @returns the first place; undefined if there is none
   */
  find(text: string, refused: Partial<Found> | undefined, before: Before): Found | undefined {
    const marked = this.#marked(text, refused?.mark === undefined ? 0 : 1, before.place.copy());
    const end = marked?.index ?? text.length;
    const bare = this.#bare(text, { ...before, from: refused === undefined ? 0 : 1, end });
    return bare === undefined ? marked : { index: bare, mark: undefined };
  }

  #marked(text: string, from: number, place: Surroundings): Found | undefined {
    let placed = 0;
    for (let at = from; ; at += 1) {
      const found = markIn(text, at);
      if (found === undefined) return undefined;
      const { mark, index } = found;
      const decide = (part: string): Decision => decideAfterMark(mark, part.slice(mark.open.length), this.#names);
      at = index;
      if (!this.#mayBegin(text.slice(index, index + maxBeginning), decide)) continue;
      place.add(text.slice(placed, index));
      placed = index;
      if (!place.isQuoted) return found;
    }
  }

  #bare(
    text: string,
    { from, end, isLineStart, isStart, place }: Before & { readonly from: number; readonly end: number },
  ): number | undefined {
    let placed = 0;
    for (const [whole, lineBreak, index] of lineBeginnings(text)) {
      const start = index + whole;
      if (start > end) return undefined;
      if (start < from || !(lineBreak || isLineStart)) continue;
      const beginning = text.slice(start, start + maxBeginning);
      const isFirst = isStart && text.slice(0, start).trim() === '';
      if (!this.#mayBegin(beginning, (part) => decideBare(part, this.#names, isFirst))) continue;
      place.add(text.slice(placed, start));
      placed = start;
      if (!place.isQuoted) return start;
    }
    return undefined;
  }

  #mayBegin(beginning: string, decide: (text: string) => Decision): boolean {
    const short = beginning.slice(0, firstLook);
    this.work += short.length;
    if (decide(short) === 'text') return false;
    this.work += beginning.length;
    const decision = decide(beginning);
    return decision === undefined ? beginning.length < maxBeginning : decision !== 'text';
  }
}

/** Finds each line's beginning: its length, whether it follows a line break, and its index. */
function* lineBeginnings(text: string): Generator<readonly [length: number, lineBreak: boolean, index: number]> {
  for (const found of text.matchAll(bareBeginning)) yield [found[0].length, found[1] === '\n', found.index];
}
