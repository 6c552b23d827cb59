import { z } from 'zod';

/**
 * Finds the name that a misspelt one was probably meant to be.
 *
 * @returns the nearest of `names`; undefined if none is near
 */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(name.length / 3));
  const [best] = names
    .map((candidate) => ({ candidate, distance: distance(folded(name), folded(candidate)) }))
    .filter((one) => one.distance <= limit)
    .toSorted((a, b) => a.distance - b.distance);
  return best?.candidate ?? onlyLonger(folded(name), names);
}

/** @returns the only one of `names` that begins with the whole of a shorter one, such as `aliases` for `alias` */
function onlyLonger(start: string, names: readonly string[]): string | undefined {
  const [first, ...others] = start.length < 3 ? [] : names.filter((candidate) => folded(candidate).startsWith(start));
  return others.length === 0 ? first : undefined;
}

/**
 * Finds the setting that a misspelt or misplaced one was probably meant to be.
 *
 * @param schema the schema of the whole file
 * @param path of the map that has the unknown setting
 * @returns its name, or its whole path if it belongs in another map
 */
export function nearestSetting(schema: z.ZodType, path: readonly PropertyKey[], name: string): string | undefined {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const siblings = path.reduce(memberOf, [root]).flatMap(({ properties = {} }) => Object.keys(properties));
  const elsewhere = pathsIn(root).filter((known) => folded(known.split('.').at(-1) ?? '') === folded(name));
  return nearest(name, siblings) ?? (elsewhere.length === 1 ? elsewhere[0] : undefined);
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
}

/** The schemas that a member of one of `parents` may have. */
function memberOf(parents: readonly JsonSchema[], segment: PropertyKey): JsonSchema[] {
  const members = parents.flatMap(({ properties, items, additionalProperties: other }) => {
    if (typeof segment === 'number') return items ?? [];
    return properties?.[String(segment)] ?? (typeof other === 'object' ? other : []);
  });
  return members.flatMap((member) => [member, ...(member.anyOf ?? [])]);
}

/** @returns the path of every setting that is not in a list or in a map with free names */
function pathsIn({ properties = {} }: JsonSchema, prefix = ''): string[] {
  return Object.entries(properties).flatMap(([name, member]) => [
    prefix + name,
    ...pathsIn(member, `${prefix}${name}.`),
  ]);
}

/** `firstToken`, `First-Token` and `first_token` are the same name in different styles. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

/** The number of characters to insert, delete, replace or exchange with their neighbour. */
function distance(one: string, other: string): number {
  let [before, last] = [[] as number[], Array.from({ length: other.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
        isSwapped ? (before[column - 2] ?? 0) + 1 : Infinity,
      );
    }
    [before, last] = [last, current];
  }
  return last[other.length] ?? 0;
}
