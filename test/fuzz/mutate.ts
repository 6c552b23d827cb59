import fc from 'fast-check';

// Mutations of JSON: values that clients, servers or proxies may send by mistake.

/** Names that assignment to an object treats specially, and other unusual ones. */
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

/** JSON text that is written unchanged: as a number, 1e999 would become Infinity. */
class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function nested(depth: number, open: string, close: string, inner: string): RawJson {
  return new RawJson(open.repeat(depth) + inner + close.repeat(depth));
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

/** Replacements for a value: of any type, and often at a limit. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [[]], [null], [{}], { type: 'text' }) },
  { weight: 3, arbitrary: fc.constantFrom(...oddNumbers).map((text) => new RawJson(text)) },
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
  /** Index of the changed value among all values of the tree. */
  readonly at: number;
  /** Index of the value that `swap` copies. */
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

/** A place in a tree: an object or array, and a key of it. */
interface Place {
  readonly parent: Record<string, unknown> | unknown[];
  readonly key: string;
}

function placesOf(value: unknown, places: Place[]): Place[] {
  if (typeof value !== 'object' || value === null || value instanceof RawJson) return places;
  for (const key of Object.keys(value)) {
    places.push({ parent: value as Place['parent'], key });
    placesOf((value as Record<string, unknown>)[key], places);
  }
  return places;
}

/** Sets a field, even one that is called `__proto__`. @returns the object */
function withField<Parent extends object>(parent: Parent, name: string, value: unknown): Parent {
  return Object.defineProperty(parent, name, { value, enumerable: true, configurable: true, writable: true });
}

function at({ parent, key }: Place): unknown {
  return (parent as Record<string, unknown>)[key];
}

/** @returns a copy of the tree with the mutations applied in order */
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
      withField(place.parent, place.key, structuredCopy(value));
      return;
    case 'delete':
      if (Array.isArray(place.parent)) place.parent.splice(Number(place.key), 1);
      else Reflect.deleteProperty(place.parent, place.key);
      return;
    case 'twice':
      if (Array.isArray(place.parent)) place.parent.push(structuredCopy(old));
      else withField(place.parent, `${place.key} `, structuredCopy(old));
      return;
    case 'rename':
      if (Array.isArray(place.parent)) return;
      Reflect.deleteProperty(place.parent, place.key);
      withField(place.parent, name, old);
      return;
    case 'add':
      if (Array.isArray(old)) old.push(structuredCopy(value));
      else if (typeof old === 'object' && old !== null && !(old instanceof RawJson))
        withField(old, name, structuredCopy(value));
      return;
    case 'wrap':
      withField(place.parent, place.key, which % 2 === 0 ? [old] : withField({}, name, old));
      return;
    case 'swap':
      withField(place.parent, place.key, structuredCopy(at(second)));
      return;
    default:
      kind satisfies never;
  }
}

/** @returns a deep copy: without it a value could become its own descendant, which JSON cannot hold */
function structuredCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof RawJson) return value;
  if (Array.isArray(value)) return value.map(structuredCopy);
  const copy = {};
  for (const [name, field] of Object.entries(value)) withField(copy, name, structuredCopy(field));
  return copy;
}

/**
 * @param repeatEvery every object of this number repeats its first field, as valid JSON may. 0: none does
 * @returns JSON text, with `RawJson` unchanged
 */
export function textOf(value: unknown, repeatEvery = 0): string {
  let objects = 0;
  const written = (part: unknown): string => {
    if (part instanceof RawJson) return part.text;
    if (typeof part !== 'object' || part === null) return JSON.stringify(part) ?? 'null';
    if (Array.isArray(part)) return `[${part.map(written).join(',')}]`;
    objects += 1;
    const fields = Object.entries(part).map(([name, field]) => `${JSON.stringify(name)}:${written(field)}`);
    const [first] = fields;
    const repeated =
      repeatEvery > 0 && objects % repeatEvery === 0 && first !== undefined ? [...fields, first] : fields;
    return `{${repeated.join(',')}}`;
  };
  return written(value);
}

/** True when a field of some input has reached the prototypes of all objects or arrays. */
export function polluted(): boolean {
  const plain: object = {};
  return Object.keys(Object.prototype).length > 0 || 'polluted' in plain || Object.keys(Array.prototype).length > 0;
}
