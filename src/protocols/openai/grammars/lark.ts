import { type Node, Uncheckable, literal } from './matcher.ts';
import { readRegex } from './regex.ts';

/** The terminals of Lark's own library that grammars import. @see https://github.com/lark-parser/lark/blob/master/lark/grammars/common.lark */
const common: Readonly<Record<string, string>> = {
  LF: '\\n',
  CR: '\\r',
  NEWLINE: '(\\r?\\n)+',
  WS: '[ \\t\\f\\r\\n]+',
  WS_INLINE: '[ \\t]+',
  DIGIT: '[0-9]',
  HEXDIGIT: '[0-9a-fA-F]',
  INT: '[0-9]+',
  SIGNED_INT: '[+-]?[0-9]+',
  DECIMAL: '[0-9]+\\.[0-9]*|\\.[0-9]+',
  FLOAT: '[0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?',
  NUMBER: '[0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?|[0-9]+',
  LETTER: '[a-zA-Z]',
  WORD: '[a-zA-Z]+',
  CNAME: '[_a-zA-Z][_a-zA-Z0-9]*',
  ESCAPED_STRING: '"([^"\\\\\\n]|\\\\.)*"',
};

/** Expansions of rules inside each other, and nested groups. */
const maxDepth = 100;

const tokenForm =
  /\s+|\/\/[^\n]*|("(?:[^"\\\n]|\\.)*"i?|\/(?!\/)(?:[^/\\\n]|\\.)+\/[a-z]*|->\s*\w+|~\s*\d{1,4}(?:\s*\.\.\s*\d{1,4})?|\.\.|[_a-zA-Z]\w*|[|()[\]*+?])/y;

/**
 * Reads a Lark grammar that needs no parser: without recursion, templates and `%ignore`.
 *
 * @throws {Uncheckable} for any other
 * @see https://lark-parser.readthedocs.io/en/stable/grammar.html
 */
export function readLark(definition: string): Node {
  const grammar = new LarkGrammar(definition);
  return grammar.rule('start', 0);
}

class LarkGrammar {
  readonly #bodies = new Map<string, string>();
  readonly #nodes = new Map<string, Node>();
  readonly #open = new Set<string>();

  constructor(definition: string) {
    let current = '';
    for (const line of definition.split('\n')) {
      const [, name, body] = /^[?!]*([_a-zA-Z]\w*)(?:\.-?\d+)?\s*:(.*)$/.exec(line) ?? [];
      if (name !== undefined && body !== undefined) {
        current = name;
        this.#bodies.set(name, body);
      } else if (line.trimStart().startsWith('%')) this.#directive(line.trim());
      else if (line.trim() !== '' && !line.trimStart().startsWith('//')) {
        const before = this.#bodies.get(current);
        if (before === undefined) throw new Uncheckable();
        this.#bodies.set(current, `${before}\n${line}`);
      }
    }
  }

  #directive(line: string): void {
    const [, path, alias] = /^%import\s+common\.(\w+)(?:\s*->\s*(\w+))?$/.exec(line) ?? [];
    const pattern = path === undefined || !Object.hasOwn(common, path) ? undefined : common[path];
    if (path === undefined || pattern === undefined) throw new Uncheckable();
    this.#nodes.set(alias ?? path, readRegex(pattern));
  }

  rule(name: string, depth: number): Node {
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const body = this.#bodies.get(name);
    if (body === undefined || this.#open.has(name) || depth > maxDepth) throw new Uncheckable();
    this.#open.add(name);
    const node = new ExpansionReader(body, (inner) => this.rule(inner, depth + 1)).read();
    this.#open.delete(name);
    this.#nodes.set(name, node);
    return node;
  }
}

class ExpansionReader {
  readonly #tokens: string[];
  readonly #rule: (name: string) => Node;
  #depth = 0;

  constructor(body: string, rule: (name: string) => Node) {
    this.#tokens = tokensOf(body).toReversed();
    this.#rule = rule;
  }

  read(): Node {
    const node = this.#choice();
    if (this.#tokens.length > 0) throw new Uncheckable();
    return node;
  }

  #take(token: string): boolean {
    if (this.#tokens.at(-1) !== token) return false;
    this.#tokens.pop();
    return true;
  }

  #choice(): Node {
    const nodes = [this.#sequence()];
    while (this.#take('|')) nodes.push(this.#sequence());
    return { type: 'choice', nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    for (let token = this.#tokens.at(-1); token !== undefined; token = this.#tokens.at(-1)) {
      if (token === '|' || token === ')' || token === ']') break;
      this.#tokens.pop();
      if (!token.startsWith('->')) nodes.push(this.#repeated(this.#atom(token)));
    }
    return { type: 'sequence', nodes };
  }

  #repeated(node: Node): Node {
    if (this.#take('?')) return { type: 'repeat', node, min: 0, max: 1 };
    if (this.#take('*')) return { type: 'repeat', node, min: 0, max: Infinity };
    if (this.#take('+')) return { type: 'repeat', node, min: 1, max: Infinity };
    const [, min, max] = /^~\s*(\d+)(?:\s*\.\.\s*(\d+))?$/.exec(this.#tokens.at(-1) ?? '') ?? [];
    if (min === undefined) return node;
    this.#tokens.pop();
    return { type: 'repeat', node, min: Number(min), max: Number(max ?? min) };
  }

  #atom(token: string): Node {
    if (token === '(') return this.#group(')');
    if (token === '[') return { type: 'repeat', node: this.#group(']'), min: 0, max: 1 };
    if (token.startsWith('"')) return this.#text(token);
    if (token.startsWith('/')) {
      const end = token.lastIndexOf('/');
      return readRegex(token.slice(1, end).replaceAll('\\/', '/'), token.slice(end + 1));
    }
    if (!/^\w/.test(token)) throw new Uncheckable();
    return this.#rule(token);
  }

  #group(end: string): Node {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw new Uncheckable();
    const node = this.#choice();
    if (!this.#take(end)) throw new Uncheckable();
    this.#depth -= 1;
    return node;
  }

  /** Reads a text, or a range such as `"a".."z"`. */
  #text(token: string): Node {
    const text = textOf(token);
    if (!this.#take('..')) return literal(text, token.endsWith('i'));
    const to = textOf(this.#tokens.pop() ?? '');
    return { type: 'character', accepts: (character) => character >= text && character <= to };
  }
}

function textOf(token: string): string {
  try {
    return JSON.parse(token.replace(/i$/, '')) as string;
  } catch {
    throw new Uncheckable();
  }
}

function tokensOf(body: string): string[] {
  const tokens: string[] = [];
  let index = 0;
  while (index < body.length) {
    tokenForm.lastIndex = index;
    const match = tokenForm.exec(body);
    if (match === null) throw new Uncheckable();
    if (match[1] !== undefined) tokens.push(match[1]);
    index = tokenForm.lastIndex;
  }
  return tokens;
}
