import type { Emit, FinishEvent, TextEvent, Verbatim } from '../../chat/event.ts';
import { GatewayError } from '../../errors.ts';
import { CallFinder } from './call-finder.ts';
import { CallOutput } from './call-output.ts';
import { gapOf, maxGap, mayGoOn } from './gap.ts';
import { HeldCall } from './held-call.ts';
import { LeadingThinking } from './leading-thinking.ts';
import { type Mark, partialMarkIn } from '../formats/marks.ts';
import { PendingCalls } from './pending-calls.ts';
import { piecesOf } from './pieces.ts';
import { readCalls } from '../formats/read-calls.ts';
import { Surroundings, quoting } from './surroundings.ts';
import type { TextCall, TextCallOptions } from '../text-call.ts';

/** The JSON of texts that the filter has to see: with what may begin a mark, or with a line break. */
const suspicious = new RegExp(String.raw`[<[]|\\[nu]|${quoting.source}`);
const interesting = new RegExp(String.raw`[<[\n"]|${quoting.source}`);

export class TextCallFilter {
  readonly #emit: Emit;
  readonly #options: TextCallOptions;
  readonly #finder: CallFinder;
  readonly #output: CallOutput;
  #held: HeldCall | undefined;
  /** Text of which it is not known yet whether it begins a call. */
  #carry = '';
  /** True while the current line has nothing but white space. */
  #isLineStart = true;
  /** True until the answer has more than white space. */
  #isStart = true;
  /** True directly after a call. */
  #isAfterCall = false;
  /** White space in front of a call, and what was skipped after one: it is text if text follows. */
  #gap = '';
  readonly #thinking = new LeadingThinking();
  /** Calls of which it depends on the text after them whether they are calls. */
  #pending: PendingCalls | undefined;
  /** The text up to what is held back. */
  #surroundings = new Surroundings();
  /** True once a call was only shown: in the middle of a sentence, others are, too. */
  #hasShown = false;
  /** True once the model has called a tool in the server's own way. */
  #stopped = false;
  #work = 0;

  constructor(emit: Emit, options: TextCallOptions) {
    this.#emit = emit;
    this.#finder = new CallFinder(options.names);
    this.#output = new CallOutput(emit, options);
    this.#options = options;
  }

  /** The number of characters that were looked at, for tests. */
  get work(): number {
    return this.#work + this.#finder.work + (this.#held?.work ?? 0);
  }

  add(event: TextEvent): void {
    if (this.#stopped) return this.#emit(event);
    if (event.text === '' && (event.logprobs === undefined || this.#isIdle)) return this.#emit(event);
    this.#output.addLogprobs(event.logprobs);
    if (this.#isIdle && !interesting.test(event.text)) this.#release(event.text);
    else for (const piece of piecesOf(event.text)) this.#read(piece);
    this.#output.flush();
    if (this.#held === undefined || this.#held.length <= this.#options.maxHeld) return;
    const { text } = this.#held;
    this.#drop();
    this.#release(text);
    this.#output.flush();
  }

  /** Lets everything pass from now on. */
  stop(): void {
    if (this.#stopped) return;
    this.#flush();
    this.#settle();
    this.#output.flush();
    this.#stopped = true;
    this.#output.called = true;
  }

  /** @throws {GatewayError} if the model had to call a tool, and did not */
  finish(event: FinishEvent): void {
    const isCut = event.reason === 'length';
    const called = !this.#stopped && this.#end(isCut);
    if (this.#options.isForced === true && !this.#output.called && !isCut) {
      throw new GatewayError('upstream_error', 'The model did not call the required tool.');
    }
    this.#output.flush(true);
    this.#emit(called && event.reason === 'stop' ? { ...event, reason: 'tool_calls' } : event);
  }

  verbatim(inner: Verbatim): Verbatim {
    return {
      frame: () => (this.#isIdle ? inner.frame() : undefined),
      take: (texts) => {
        this.#surroundings.skip();
        inner.take(texts);
      },
      mustParse: suspicious,
    };
  }

  /** True if a text without marks and line breaks makes no difference. */
  get #isIdle(): boolean {
    if (this.#stopped) return true;
    const isHolding = this.#held !== undefined || this.#carry !== '' || this.#pending !== undefined;
    const isPlain = !this.#isLineStart && !this.#isAfterCall && this.#surroundings.isSettled;
    return !isHolding && isPlain && !this.#thinking.isOpen;
  }

  /** @returns true if there was a call */
  #end(isCut: boolean): boolean {
    const held = this.#held;
    if (held !== undefined) {
      this.#drop();
      // Half of a call is not completed.
      this.#close(held, !isCut || held.isWhole);
    }
    // White space after the last call.
    if (this.#isAfterCall && gapOf(this.#carry) === this.#carry) this.#carry = '';
    this.#flush();
    this.#settle();
    return this.#output.called;
  }

  /** Emits all text that is held back. */
  #flush(): void {
    const text = this.#carry + (this.#held?.text ?? '');
    this.#drop();
    this.#carry = '';
    this.#release(text);
    this.#output.flush();
  }

  #drop(): void {
    this.#work += this.#held?.work ?? 0;
    this.#held = undefined;
  }

  #callsIn({ mark, body, bodyToFirstMark }: HeldCall): readonly TextCall[] | undefined {
    const { names } = this.#options;
    const isStrict = mark === undefined;
    return readCalls(body, names, isStrict) ?? readCalls(bodyToFirstMark, names, isStrict);
  }

  #read(text: string): void {
    let rest: string | undefined = text;
    let refused: HeldCall | undefined;
    while (rest !== undefined && rest !== '') {
      if (this.#held === undefined) {
        rest = this.#search(this.#carry + rest, refused);
        refused = undefined;
        continue;
      }
      const held: HeldCall = this.#held;
      const end = held.add(rest, 0);
      if (end === undefined) return;
      this.#drop();
      if (end === 'text') {
        const { refused: beginning } = held;
        rest = beginning + rest.slice(beginning.length - held.length);
        refused = held;
      } else {
        this.#close(held);
        rest = rest.slice(end);
      }
    }
  }

  #close(held: HeldCall, isWhole = true): void {
    const calls = isWhole ? this.#callsIn(held) : undefined;
    if (calls === undefined) this.#release(held.text);
    else this.#take(calls, held);
  }

  #take(calls: readonly TextCall[], held: HeldCall): void {
    this.#isAfterCall = true;
    this.#isLineStart = true;
    const between = this.#gap;
    this.#gap = '';
    const isOwn = held.mark !== undefined && this.#surroundings.isOwnSentence;
    if (this.#pending === undefined && this.#hasShown && !isOwn) {
      this.#isAfterCall = false;
      this.#isLineStart = false;
      return this.#release(between + held.text);
    }
    this.#pending ??= new PendingCalls(isOwn, this.#surroundings.copy());
    this.#pending.addCalls(between + held.text, calls);
    if (/\n\s*$/.test(held.text)) this.#settleLine();
    if (this.#pending === undefined || this.#pending.length <= this.#options.maxHeld) return;
    this.#isAfterCall = false;
    this.#show(this.#pending);
    this.#pending = undefined;
  }

  /** Emits the calls that are pending, or their text if more text followed on their line. */
  #settle(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    if (!pending.endsWithCall) return this.#show(pending);
    for (const part of pending.parts) {
      this.#release(part.before);
      for (const call of part.calls) this.#output.call(call);
    }
    this.#release(pending.rest);
  }

  #settleLine(): void {
    if (this.#pending?.isOfLine === true) this.#settle();
  }

  /** Emits calls as the text that they are. */
  #show(pending: PendingCalls): void {
    this.#hasShown = true;
    this.#isStart = false;
    this.#surroundings = pending.place;
    this.#output.addText(pending.text);
  }

  /**
   * Emits text up to the next call.
   *
   * @param refused what begins at the first character, and is no call: only another one may begin there
   * @returns what follows its beginning, which is held back; undefined if there is none
   */
  #search(text: string, refused: HeldCall | undefined): string | undefined {
    this.#carry = '';
    this.#work += text.length;
    if (this.#isAfterCall) return this.#skipGap(text);
    const mayBeThinking = this.#isStart && refused === undefined && !this.#thinking.isOpen;
    if (mayBeThinking && this.#isUndecidedStart(text)) return undefined;
    if (this.#thinking.isOpen) return this.#passThinking(text);
    const place = (this.#pending?.place ?? this.#surroundings).copy();
    place.add(this.#placedGap);
    const state = { isLineStart: this.#isLineStart, isStart: this.#isStart, place };
    const found = this.#finder.find(text, refused, state);
    if (found !== undefined) return this.#hold(text, found.index, found.mark);
    const end = partialMarkIn(text, refused?.mark === undefined ? 0 : 1);
    const isBlankStart = this.#isStart && text.slice(0, end).trim() === '';
    this.#carry = isBlankStart ? text : text.slice(end);
    if (!isBlankStart) this.#release(text.slice(0, end));
    return undefined;
  }

  /** The gap as far as it makes a difference for the place: marks and semicolons between calls are not text. */
  get #placedGap(): string {
    return this.#gap.replaceAll(/\S/g, '');
  }

  #hold(text: string, index: number, mark: Mark | undefined): string {
    const before = text.slice(0, index);
    // White space in front of an answer that is a call is no text of its own.
    const isFirst = this.#isStart && before.trim() === '';
    if (isFirst) this.#gap += before;
    else this.#release(before);
    this.#held = new HeldCall(mark, this.#options.names, isFirst);
    return text.slice(index);
  }

  /** @returns true if the beginning of the answer has to be longer before it is known what it is */
  #isUndecidedStart(text: string): boolean {
    const start = this.#thinking.begin(text);
    if (start === 'blank') this.#isStart = false;
    if (start === 'undecided') this.#carry = text;
    return start === 'undecided';
  }

  #passThinking(text: string): string | undefined {
    const { passed, rest } = this.#thinking.pass(text);
    this.#release(passed);
    if (this.#thinking.isOpen) {
      this.#carry = rest;
      return undefined;
    }
    this.#surroundings = new Surroundings();
    this.#isStart = true;
    this.#isLineStart = true;
    return rest;
  }

  /** Drops what stands between two calls. */
  #skipGap(text: string): string | undefined {
    const skipped = gapOf(text);
    const rest = text.slice(skipped.length);
    if (skipped.length > maxGap) {
      this.#isAfterCall = false;
      if (skipped.slice(0, maxGap).includes('\n')) this.#settleLine();
      this.#gap = skipped.slice(0, maxGap);
      this.#isStart = false;
      return text.slice(maxGap);
    }
    if (mayGoOn(rest)) {
      this.#carry = text;
      return undefined;
    }
    this.#isAfterCall = false;
    this.#isLineStart = true;
    if (skipped.includes('\n')) this.#settleLine();
    this.#gap = skipped;
    return rest;
  }

  #release(text: string): void {
    if (text === '') return;
    const added = this.#gap + text;
    const placed = this.#placedGap + text;
    this.#gap = '';
    const lineEnd = added.lastIndexOf('\n');
    const isBlank = added.slice(lineEnd + 1).trim() === '';
    this.#isLineStart = isBlank && (lineEnd !== -1 || this.#isLineStart);
    if (added.trim() !== '') this.#isStart = false;
    const pending = this.#pending;
    if (pending?.mayGoOn(added) === true) return pending.addText(added, placed);
    this.#pending = undefined;
    if (pending !== undefined) this.#show(pending);
    this.#surroundings.add(placed);
    this.#output.addText(added);
  }
}
