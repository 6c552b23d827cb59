/** Characters of a pattern. */
const maxLength = 1_000;
/** Characters that a pattern may repeat, as a grammar counts them: llama.cpp refuses 2,000. */
const maxWeight = 1_000;
/** Nested groups. */
const maxDepth = 20;

/** Characters that a string in JSON contains as escapes only: a quote, a backslash, control characters. */
const unsafe = String.raw`"\\\x00-\x1F`;
/** Marks a hyphen in the members of a class. */
const hyphen = '\u0001';
const digits = '0-9';
const word = 'A-Za-z0-9_';
const shorthands: Readonly<Record<string, string>> = {
  d: `[${digits}]`,
  w: `[${word}]`,
  s: '[ ]',
  D: `[^${digits}${unsafe}]`,
  W: `[^${word}${unsafe}]`,
  S: `[^ ${unsafe}]`,
};

/** Thrown for a pattern that a grammar cannot express. */
class Inexpressible extends Error {}

interface Part {
  readonly text: string;
  /** The number of rules that a grammar needs for it. */
  readonly weight: number;
}

/**
 * Rewrites the `pattern` of a JSON Schema so that llama.cpp can turn it into a grammar. Its own translation copies most escapes
 * into the grammar, which has no such escapes: the grammar does not parse, and older servers crash.
 *
 * @returns a pattern that matches the same strings, or fewer; undefined if there is none
 * @see https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
 */
export function grammarPattern(pattern: string): string | undefined {
  if (pattern.length > maxLength || !isWhole(pattern)) return undefined;
  try {
    const reader = new PatternReader(pattern.slice(1, -1));
    const { text, weight } = reader.read();
    return weight > maxWeight ? undefined : `^${text}$`;
  } catch (error) {
    if (error instanceof Inexpressible) return undefined;
    throw error;
  }
}

/** True for a pattern that is anchored at both ends: grammars have no others. */
function isWhole(pattern: string): boolean {
  if (!pattern.startsWith('^') || !pattern.endsWith('$')) return false;
  let start = pattern.length - 1;
  while (pattern[start - 1] === '\\') start -= 1;
  return (pattern.length - 1 - start) % 2 === 0;
}

class PatternReader {
  /** Code points. */
  readonly #pattern: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = Array.from(pattern);
  }

  /** @throws {Inexpressible} */
  read(): Part {
    const part = this.#alternatives(0);
    if (this.#at < this.#pattern.length) throw new Inexpressible();
    return part;
  }

  #alternatives(depth: number): Part {
    if (depth > maxDepth) throw new Inexpressible();
    const first = this.#sequence(depth);
    let { text, weight } = first;
    while (this.#take('|')) {
      const next = this.#sequence(depth);
      text += `|${next.text}`;
      weight += next.weight;
    }
    return { text, weight };
  }

  #sequence(depth: number): Part {
    let text = '';
    let weight = 0;
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      const part = this.#quantified(this.#atom(depth));
      text += part.text;
      weight += part.weight;
    }
    if (text === '') throw new Inexpressible();
    return { text, weight };
  }

  #atom(depth: number): Part {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group(depth);
      case '[':
        return { text: this.#charClass(), weight: 1 };
      case '.':
        return { text: `[^${unsafe}]`, weight: 1 };
      case '\\':
        return { text: this.#escape(), weight: 1 };
      case '^':
      case '$':
      case '*':
      case '+':
      case '?':
        throw new Inexpressible();
      default:
        return { text: literal(char), weight: 1 };
    }
  }

  #group(depth: number): Part {
    if (this.#take('?') && !this.#take(':')) {
      // A named group; lookarounds begin in the same way.
      if (!this.#take('<') || /[=!]/.test(this.#peek() ?? '=')) throw new Inexpressible();
      while (this.#next() !== '>');
    }
    const { text, weight } = this.#alternatives(depth + 1);
    if (!this.#take(')')) throw new Inexpressible();
    return { text: `(${text})`, weight };
  }

  #escape(): string {
    const char = this.#next();
    return shorthands[char] ?? literal(this.#escaped(char));
  }

  /** @param char the one after the backslash. @returns the character that the escape stands for */
  #escaped(char: string): string {
    const length = char === 'x' ? 2 : char === 'u' ? 4 : 0;
    if (length > 0) {
      const hex = Array.from({ length }, () => this.#next()).join('');
      if (!/^[0-9a-f]+$/i.test(hex)) throw new Inexpressible();
      return String.fromCodePoint(Number.parseInt(hex, 16));
    }
    if (/[a-z0-9]/i.test(char)) throw new Inexpressible();
    return char;
  }

  #charClass(): string {
    const isNegated = this.#take('^');
    let members = '';
    for (let char = this.#next(); char !== ']'; char = this.#next()) {
      if (char === '[') throw new Inexpressible();
      members += this.#member(char, isNegated);
    }
    // A hyphen stands for itself at the end.
    const parts = members.split(hyphen);
    const hyphens = parts.length > 1 ? '-' : '';
    if (isNegated) return `[^${parts.join('')}${unsafe}${hyphens}]`;
    if (members === '') throw new Inexpressible();
    return `[${parts.join('')}${hyphens}]`;
  }

  #member(char: string, isNegated: boolean): string {
    if (char === '\\') {
      const next = this.#next();
      if (next === 'd') return digits;
      if (next === 'w') return word;
      if (next === 's') return ' ';
      // No string in JSON contains them as they are.
      if (/[nrtfv]/.test(next)) return '';
      return this.#range(this.#escaped(next), isNegated);
    }
    return this.#range(char, isNegated);
  }

  #range(from: string, isNegated: boolean): string {
    const isRange = this.#peek() === '-' && this.#pattern[this.#at + 1] !== ']';
    if (!isRange) return rangeWithoutUnsafe(from, from, isNegated);
    this.#at += 1;
    let to = this.#next();
    if (to === '\\') to = this.#escaped(this.#next());
    return rangeWithoutUnsafe(from, to, isNegated);
  }

  #quantified({ text, weight }: Part): Part {
    const quantifier = this.#quantifier();
    if (quantifier === undefined) return { text, weight };
    // A lazy quantifier matches the same strings.
    this.#take('?');
    if (/[*+?]/.test(this.#peek() ?? '')) throw new Inexpressible();
    return { text: text + quantifier.text, weight: weight * quantifier.weight };
  }

  #quantifier(): Part | undefined {
    for (const text of ['*', '+', '?']) if (this.#take(text)) return { text, weight: 1 };
    if (this.#peek() !== '{' || !/\d/.test(this.#pattern[this.#at + 1] ?? '')) return undefined;
    const rest = this.#pattern.slice(this.#at, this.#at + 24).join('');
    const bounds = /^\{(\d+)(?:,(\d*))?\}/.exec(rest);
    if (bounds === null) return undefined;
    const [text, from = '', to] = bounds;
    this.#at += text.length;
    const weight = Math.max(Number(from), Number(to ?? from));
    if (weight === 0) throw new Inexpressible();
    return { text, weight };
  }

  #peek(): string | undefined {
    return this.#pattern[this.#at];
  }

  #next(): string {
    const char = this.#pattern[this.#at];
    if (char === undefined) throw new Inexpressible();
    this.#at += 1;
    return char;
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at += 1;
    return true;
  }
}

/** A character outside a class. Those with a meaning of their own become a class of one: an escape would join the text before it. */
function literal(char: string): string {
  if (isUnsafe(char)) throw new Inexpressible();
  return /[.*+?(){}|[\]^$]/.test(char) ? `[${inClass(char.codePointAt(0) ?? 0)}]` : char;
}

function isUnsafe(char: string): boolean {
  return char === '"' || char === '\\' || char < ' ';
}

/** A range of a class. A class that excludes characters excludes the unsafe ones anyway. */
function rangeWithoutUnsafe(from: string, to: string, isNegated: boolean): string {
  const [first, last] = [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
  if (first > last) throw new Inexpressible();
  let text = '';
  let start = Math.max(first, 0x20);
  for (const gap of isNegated && first !== last ? [] : [0x22, 0x5c]) {
    if (gap < start || gap > last) continue;
    text += range(start, gap - 1);
    start = gap + 1;
  }
  return text + range(start, last);
}

function range(first: number, last: number): string {
  if (first > last) return '';
  if (first === last) return first === 0x2d ? hyphen : inClass(first);
  if (first === 0x2d || last === 0x2d) throw new Inexpressible();
  return `${inClass(first)}-${inClass(last)}`;
}

function inClass(code: number): string {
  const char = String.fromCodePoint(code);
  if (char === '[' || char === ']') return `\\${char}`;
  // The only other escapes that grammars have.
  return /[\^"\\]/.test(char) ? `\\x${code.toString(16).toUpperCase().padStart(2, '0')}` : char;
}
