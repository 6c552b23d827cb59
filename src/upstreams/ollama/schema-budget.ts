import { type GatewayError, invalidValue } from '../../errors.ts';

/** Values in all schemas of a request. A hundred tools with a hundred parameters each fit. */
const maxValues = 50_000;
/** Steps of work for each value, and in addition to that: most schemas need one for each value. */
const stepsPerValue = 4;
const moreSteps = 50_000;
/** Characters that references may add, in addition to as many as the schemas have. */
const moreCharacters = 200_000;

/** Characters of all patterns: 50 ms of work. */
const maxPatternCharacters = 100_000;

/** A schema and the request field that contains it. */
export interface Source {
  readonly schema: unknown;
  readonly param: string;
}

/** Bounds the work on schemas. */
export interface Budget {
  /** @throws {GatewayError} 400 when there were too many steps, or when the schemas have too many values */
  spend(steps: number): void;
  /** @throws {GatewayError} 400 when references added too many characters, or when the schemas have too many values */
  add(characters: number): void;
}

/**
 * Limits the work on the schemas of one request, and the characters that it adds to them. A schema can ask for much more than
 * its size: references copy what they refer to, and `allOf` merges what it contains.
 */
export class SchemaBudget implements Budget {
  readonly #sources: readonly Source[];
  /** The rest of the budget; undefined until it is used. */
  #left: { steps: number; characters: number } | undefined;

  /** @param sources all schemas of the request */
  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  spend(steps: number): void {
    this.#left ??= this.#measure();
    this.#left.steps -= steps;
    if (this.#left.steps < 0) throw this.#refusal('are too complex. Use less allOf, or fewer references.');
  }

  add(characters: number): void {
    this.#left ??= this.#measure();
    this.#left.characters -= characters;
    if (this.#left.characters < 0) throw this.#refusal('become too long when their references are replaced.');
  }

  #measure(): { steps: number; characters: number } {
    let [values, characters, patterns] = [0, 0, 0];
    for (const { schema } of this.#sources) {
      const size = sizeOf(schema);
      values += size.values;
      characters += size.characters;
      patterns += size.patterns;
      if (values > maxValues) throw this.#refusal(`have more than ${maxValues} values.`);
      if (patterns > maxPatternCharacters) {
        throw this.#refusal(`have patterns of more than ${maxPatternCharacters} characters.`);
      }
    }
    return { steps: values * stepsPerValue + moreSteps, characters: characters + moreCharacters };
  }

  #refusal(reason: string): GatewayError {
    const params = [...new Set(this.#sources.map(({ param }) => param))];
    return invalidValue(params[0] ?? 'tools', `The schemas in ${params.join(' and ')} ${reason}`);
  }
}

/** Counts without recursion, because a schema may be nested deeply. It stops beyond the limit. */
function sizeOf(schema: unknown): { values: number; characters: number; patterns: number } {
  const left: unknown[] = [schema];
  let [values, characters, patterns] = [0, 0, 0];
  while (left.length > 0 && values <= maxValues) {
    const value = left.pop();
    values += 1;
    characters += typeof value === 'string' ? value.length : 4;
    if (typeof value !== 'object' || value === null) continue;
    for (const [name, member] of Object.entries(value)) {
      characters += Array.isArray(value) ? 0 : name.length;
      if (name === 'pattern' && typeof member === 'string') patterns += member.length;
      left.push(member);
    }
  }
  return { values, characters, patterns };
}
