import { type Node, Uncheckable, literal } from './matcher.ts';

type Accepts = (character: string) => boolean;

/** Nested groups. */
const maxDepth = 50;

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', 0: '\0' };
const shorthand: Readonly<Record<string, RegExp>> = {
  d: /\d/u,
  D: /\D/u,
  w: /\w/u,
  W: /\W/u,
  s: /\s/u,
  S: /\S/u,
};

/**
 * Reads a regular expression in the syntax that Rust, Python and JavaScript share.
 *
 * @param flags `i` for any case, `s` for a dot that matches line feeds
 * @throws {Uncheckable} for one with lookaround, references, word boundaries or anchors inside, and for what is none
 */
export function readRegex(pattern: string, flags = ''): Node {
  return new RegexReader(pattern, flags).read();
}

class RegexReader {
  readonly #characters: readonly string[];
  #flags: string;
  #index = 0;
  #depth = 0;

  constructor(pattern: string, flags: string) {
    const inner = pattern.replace(/^\^|^\\A/, '').replace(/(?<!\\)((?:\\\\)*)(?:\$|\\[zZ])$/, '$1');
    this.#characters = Array.from(inner);
    this.#flags = flags;
  }

  read(): Node {
    const node = this.#choice();
    if (this.#index < this.#characters.length) throw new Uncheckable();
    return node;
  }

  #peek(text: string): boolean {
    return this.#characters.slice(this.#index, this.#index + text.length).join('') === text;
  }

  #take(text: string): boolean {
    const isNext = this.#peek(text);
    if (isNext) this.#index += text.length;
    return isNext;
  }

  #next(): string {
    const character = this.#characters[this.#index];
    if (character === undefined) throw new Uncheckable();
    this.#index += 1;
    return character;
  }

  #choice(): Node {
    const nodes = [this.#sequence()];
    while (this.#take('|')) nodes.push(this.#sequence());
    return nodes.length === 1 && nodes[0] !== undefined ? nodes[0] : { type: 'choice', nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#index < this.#characters.length && !this.#peek('|') && !this.#peek(')')) {
      nodes.push(this.#quantified(this.#atom()));
    }
    return { type: 'sequence', nodes };
  }

  #quantified(node: Node): Node {
    const range = this.#quantifier();
    if (range === undefined) return node;
    // Which of several matches is preferred does not matter to whether there is one.
    if (this.#peek('?')) this.#index += 1;
    if ('+*'.includes(this.#characters[this.#index] ?? ' ')) throw new Uncheckable();
    return { type: 'repeat', node, ...range };
  }

  #quantifier(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    const [whole, min, comma, max] =
      /^\{(\d{1,4})(,)?(\d{1,4})?\}/.exec(this.#characters.slice(this.#index, this.#index + 12).join('')) ?? [];
    if (whole === undefined) return undefined;
    this.#index += whole.length;
    return { min: Number(min), max: max === undefined ? (comma === undefined ? Number(min) : Infinity) : Number(max) };
  }

  #atom(): Node {
    if (this.#take('(')) return this.#group();
    if (this.#take('[')) return { type: 'character', accepts: this.#anyCase(this.#class()) };
    const character = this.#next();
    if ('^$*+?{'.includes(character)) throw new Uncheckable();
    if (character === '.') return { type: 'character', accepts: this.#dot() };
    if (character !== '\\') return literal(character, this.#flags.includes('i'));
    return { type: 'character', accepts: this.#anyCase(this.#escape()) };
  }

  #dot(): Accepts {
    return this.#flags.includes('s') ? () => true : (character) => character !== '\n';
  }

  #group(): Node {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw new Uncheckable();
    const flags = this.#flags;
    this.#groupHead();
    const node = this.#peek(')') && flags !== this.#flags ? undefined : this.#choice();
    if (!this.#take(')')) throw new Uncheckable();
    this.#depth -= 1;
    // `(?i)` holds from here on, `(?i:…)` for its group.
    if (node === undefined) return { type: 'sequence', nodes: [] };
    this.#flags = flags;
    return node;
  }

  /** Reads what follows the parenthesis: a name, or flags. */
  #groupHead(): void {
    if (!this.#take('?')) return;
    if (this.#take(':')) return;
    const rest = this.#characters.slice(this.#index, this.#index + 80).join('');
    const [head, flags] = /^P?<[A-Za-z]\w*>|^([is]+)(?::|(?=\)))/.exec(rest) ?? [];
    if (head === undefined) throw new Uncheckable();
    this.#index += head.length;
    this.#flags += flags ?? '';
  }

  #class(): Accepts {
    const isNegated = this.#take('^');
    const members: Accepts[] = [];
    while (members.length === 0 || !this.#take(']')) {
      // A bracket that comes first is a member.
      if (this.#index === this.#characters.length) throw new Uncheckable();
      members.push(this.#member());
    }
    return (character) => members.some((accepts) => accepts(character)) !== isNegated;
  }

  #member(): Accepts {
    const from = this.#classCharacter();
    if (typeof from !== 'string') return from;
    const isRange = this.#peek('-') && !this.#peek('-]');
    if (!isRange) return (character) => character === from;
    this.#index += 1;
    const to = this.#classCharacter();
    if (typeof to !== 'string') throw new Uncheckable();
    const [first, last] = [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
    return (character) => {
      const code = character.codePointAt(0) ?? 0;
      return code >= first && code <= last;
    };
  }

  #classCharacter(): string | Accepts {
    if (this.#peek('[') || this.#peek('&&')) throw new Uncheckable();
    const character = this.#next();
    return character === '\\' ? this.#escaped() : character;
  }

  #escape(): Accepts {
    const escaped = this.#escaped();
    return typeof escaped === 'string' ? (character) => character === escaped : escaped;
  }

  /** Reads what follows a backslash. */
  #escaped(): string | Accepts {
    const character = this.#next();
    const set = shorthand[character];
    if (set !== undefined) return (tested) => set.test(tested);
    if (character === 'x' || character === 'u') return this.#codePoint();
    if (Object.hasOwn(escapes, character)) return escapes[character] ?? '';
    if (/[A-Za-z1-9]/.test(character)) throw new Uncheckable();
    return character;
  }

  #codePoint(): string {
    const rest = this.#characters.slice(this.#index - 1, this.#index + 10).join('');
    const [whole = '', ...codes] = /^x([\da-f]{2})|^u([\da-f]{4})|^[xu]\{([\da-f]{1,6})\}/i.exec(rest) ?? [];
    const code = Number.parseInt(codes.find((found) => found !== undefined) ?? '', 16);
    if (!(code <= 0x10_ff_ff)) throw new Uncheckable();
    this.#index += whole.length - 1;
    return String.fromCodePoint(code);
  }

  #anyCase(accepts: Accepts): Accepts {
    if (!this.#flags.includes('i')) return accepts;
    return (character) => accepts(character.toLowerCase()) || accepts(character.toUpperCase());
  }
}
