import type { ChatEvent, Emit } from '../event.ts';

/** Tags that models write around their thinking. */
const tags = ['think', 'thinking'];

/** Characters of white space before a tag that are held back. */
const maxHeld = 256;

/** The parts of a text. Either may be ''. */
interface Parts {
  readonly reasoning: string;
  readonly text: string;
}

/** Splits a `<think>` block off the beginning of an answer that arrives in parts of any size. */
export class ThinkTags {
  #state: 'start' | 'opened' | 'thinking' | 'closed' | 'text' = 'start';
  /** Text that cannot be assigned yet: the beginning of a tag, and white space before it. */
  #held = '';
  #closing = '';

  /** True once nothing can be split off any more. */
  get isPast(): boolean {
    return this.#state === 'text';
  }

  /** True while it is not known whether the answer begins with a tag. */
  get isAtStart(): boolean {
    return this.#state === 'start';
  }

  push(part: string): Parts {
    this.#held += part;
    if (this.#state === 'start') this.#readOpening();
    if (this.#state === 'opened') this.#skipSpace('thinking');
    const reasoning = this.#state === 'thinking' ? this.#takeThinking() : '';
    if (this.#state === 'closed') this.#skipSpace('text');
    return { reasoning, text: this.#state === 'text' ? this.#take(this.#held.length) : '' };
  }

  /** @returns what is still held back */
  end(): Parts {
    const rest = this.#take(this.#held.length);
    const isThinking = this.#state === 'thinking';
    this.#state = 'text';
    return isThinking ? { reasoning: rest, text: '' } : { reasoning: '', text: rest };
  }

  #readOpening(): void {
    const beginning = this.#held.trimStart();
    const tag = tags.find((name) => beginning.startsWith(`<${name}>`));
    const isTooFar = this.#held.length - beginning.length > maxHeld;
    if (isTooFar || (tag === undefined && !tags.some((name) => `<${name}>`.startsWith(beginning)))) {
      this.#state = 'text';
    } else if (tag !== undefined) {
      this.#held = beginning.slice(tag.length + 2);
      this.#closing = `</${tag}>`;
      this.#state = 'opened';
    }
  }

  #skipSpace(next: 'thinking' | 'text'): void {
    this.#held = this.#held.trimStart();
    if (this.#held !== '') this.#state = next;
  }

  #takeThinking(): string {
    const end = this.#held.indexOf(this.#closing);
    if (end === -1) return this.#take(this.#held.length - partialLength(this.#held, this.#closing));
    const reasoning = this.#take(end);
    this.#held = this.#held.slice(this.#closing.length);
    this.#state = 'closed';
    return reasoning;
  }

  #take(length: number): string {
    const taken = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return taken;
  }
}

/** @returns how many characters at the end of a text may be the beginning of `tag` */
export function partialLength(text: string, tag: string): number {
  let length = Math.min(text.length, tag.length - 1);
  while (length > 0 && !text.endsWith(tag.slice(0, length))) length -= 1;
  return length;
}

/** Emits a `<think>` block at the beginning of an answer's text as its thinking. */
export function splitThinkTags(emit: Emit): Emit {
  const parser = new ThinkTags();
  /** Texts that are emitted as they came if there is no tag. */
  let held: ChatEvent[] = [];
  const emitParts = ({ reasoning, text }: Parts): void => {
    if (reasoning !== '') emit({ type: 'reasoning', text: reasoning });
    if (text !== '') emit({ type: 'text', text });
  };
  const release = (): void => {
    for (const event of held) emit(event);
    held = [];
  };
  return (event) => {
    if (parser.isPast) return emit(event);
    if (event.type === 'reasoning') return emit(event);
    if (event.type !== 'text') {
      const rest = parser.end();
      if (held.length > 0) release();
      else emitParts(rest);
      return emit(event);
    }
    const wasAtStart = parser.isAtStart;
    const parts = parser.push(event.text);
    if (wasAtStart) held.push(event);
    if (parser.isAtStart) return;
    // Without a tag, log probabilities stay with their texts.
    if (wasAtStart && parser.isPast && parts.reasoning === '' && isWhole(held, parts.text)) return release();
    held = [];
    emitParts(parts);
  };
}

/** True if nothing was taken out of the texts. */
function isWhole(events: readonly ChatEvent[], text: string): boolean {
  return text === events.map((event) => (event.type === 'text' ? event.text : '')).join('');
}
