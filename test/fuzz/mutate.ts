import fc from 'fast-check';

/** JSON that is not quite as it was: what clients, servers and those between them make of it. */

/** Names that an object may not take by assignment, and some that are only odd. */
const oddNames = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '',
  '0',
  'length',
  'type',
  'é\u0000',
  'MODEL',
  'ſtream',
];

/** A number as it stands in JSON text: JSON.parse makes Infinity of 1e999. */
class Verbatim {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function nested(depth: number, open: string, close: string, within: string): Verbatim {
  return new Verbatim(open.repeat(depth) + within + close.repeat(depth));
}

const oddTexts = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\u2028',
  'data: x\n\ndata: y',
  '{"a":',
  '[DONE]',
  'null',
  '__proto__',
  '🦙'.repeat(50),
  'x'.repeat(5000),
  'https://',
  'data:image/png;base64,',
  'data:image/png;base64,iVBORw0KGgo=',
  '../../etc/passwd',
  '\r\nx-injected: 1',
];

const oddNumbers = [
  '0',
  '-0',
  '-1',
  '1',
  '2',
  '0.5',
  '1e999',
  '-1e999',
  '1e308',
  '5e-324',
  '9007199254740993',
  '128',
  '129',
  '4294967296',
  '1e21',
  '0.30000000000000004',
];

/** A value of any type where another was. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [[]], [null], [{}], { type: 'text' }) },
  { weight: 3, arbitrary: fc.constantFrom(...oddNumbers).map((text) => new Verbatim(text)) },
  { weight: 3, arbitrary: fc.constantFrom(...oddTexts) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(...oddNames).map((name) => withField({}, name, { polluted: true })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      nested(100, '[', ']', ''),
      nested(100, '{"a":', '}', '1'),
      nested(3000, '[', ']', ''),
      nested(12_000, '{"properties":', '}', '1'),
      nested(12_000, '{"error":', '}', '1'),
    ),
  },
);

export interface Mutation {
  readonly kind: 'replace' | 'delete' | 'twice' | 'rename' | 'add' | 'wrap' | 'swap';
  /** Which of the values, and which other one. */
  readonly at: number;
  readonly other: number;
  readonly name: string;
  readonly value: unknown;
}

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('replace', 'replace', 'replace', 'delete', 'twice', 'rename', 'add', 'wrap', 'swap'),
  at: fc.nat(400),
  other: fc.nat(400),
  name: fc.oneof(fc.constantFrom(...oddNames), fc.string({ unit: 'binary', maxLength: 8 })),
  value: oddValue,
});

/** A place of a tree: who holds it, and under which name. */
interface Place {
  readonly holder: Record<string, unknown> | unknown[];
  readonly name: string;
}

function placesOf(value: unknown, places: Place[]): Place[] {
  if (typeof value !== 'object' || value === null || value instanceof Verbatim) return places;
  for (const name of Object.keys(value)) {
    places.push({ holder: value as Place['holder'], name });
    placesOf((value as Record<string, unknown>)[name], places);
  }
  return places;
}

/** Also a field that is called __proto__. */
function withField<Holder extends object>(holder: Holder, name: string, value: unknown): Holder {
  return Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

function at({ holder, name }: Place): unknown {
  return (holder as Record<string, unknown>)[name];
}

/** A tree after some mutations. */
export function mutated(tree: object, mutations: readonly Mutation[]): unknown {
  const root = { tree: structuredClone(tree) as unknown };
  for (const change of mutations) apply(root, change);
  return root.tree;
}

function apply(root: { tree: unknown }, { kind, at: which, other, name, value }: Mutation): void {
  const places = placesOf(root, []);
  const [place, second] = [places[which % places.length], places[other % places.length]];
  if (place === undefined || second === undefined) return;
  const old = at(place);
  switch (kind) {
    case 'replace':
      withField(place.holder, place.name, structuredCopy(value));
      return;
    case 'delete':
      if (Array.isArray(place.holder)) place.holder.splice(Number(place.name), 1);
      else Reflect.deleteProperty(place.holder, place.name);
      return;
    case 'twice':
      if (Array.isArray(place.holder)) place.holder.push(structuredCopy(old));
      else withField(place.holder, `${place.name} `, structuredCopy(old));
      return;
    case 'rename':
      if (Array.isArray(place.holder)) return;
      Reflect.deleteProperty(place.holder, place.name);
      withField(place.holder, name, old);
      return;
    case 'add':
      if (Array.isArray(old)) old.push(structuredCopy(value));
      else if (typeof old === 'object' && old !== null && !(old instanceof Verbatim))
        withField(old, name, structuredCopy(value));
      return;
    case 'wrap':
      withField(place.holder, place.name, which % 2 === 0 ? [old] : withField({}, name, old));
      return;
    case 'swap':
      withField(place.holder, place.name, structuredCopy(at(second)));
      return;
    default:
      kind satisfies never;
  }
}

/** A tree must stay a tree: a cycle is no JSON. */
function structuredCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Verbatim) return value;
  if (Array.isArray(value)) return value.map(structuredCopy);
  const copy = {};
  for (const [name, held] of Object.entries(value)) withField(copy, name, structuredCopy(held));
  return copy;
}

/** JSON text, with numbers as they were given; every `twice`-th object says its first field twice. */
export function textOf(value: unknown, twice = 0): string {
  let objects = 0;
  const written = (part: unknown): string => {
    if (part instanceof Verbatim) return part.text;
    if (typeof part !== 'object' || part === null) return JSON.stringify(part) ?? 'null';
    if (Array.isArray(part)) return `[${part.map(written).join(',')}]`;
    objects += 1;
    const fields = Object.entries(part).map(([name, held]) => `${JSON.stringify(name)}:${written(held)}`);
    const [first] = fields;
    const repeated = twice > 0 && objects % twice === 0 && first !== undefined ? [...fields, first] : fields;
    return `{${repeated.join(',')}}`;
  };
  return written(value);
}

/** Whether some text of a client or server has reached the prototypes of all objects. */
export function polluted(): boolean {
  const plain: object = {};
  return Object.keys(Object.prototype).length > 0 || 'polluted' in plain || Object.keys(Array.prototype).length > 0;
}
