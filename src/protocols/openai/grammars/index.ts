import { isObject } from '../../../framing/json.ts';
import { readLark } from './lark.ts';
import { Matcher, Uncheckable } from './matcher.ts';
import { readRegex } from './regex.ts';

/** Characters of a grammar. */
const maxDefinition = 20_000;
/** Characters of an input that is checked. */
const maxInput = 256 * 1024;

/**
 * Mends the input of a custom tool that does not match the tool's grammar: models wrap it in a code fence, or leave out the line
 * feed at its end.
 *
 * @param format of the tool, as the client sent it
 * @returns the input, if it matches, if nothing else matches, or if it cannot be checked here: the client's tool then tells the
 *   model what is wrong
 */
export function mendInput(input: string, format: unknown): string {
  const matcher = matcherOf(format);
  if (matcher === undefined || input.length > maxInput || matcher.matches(input) !== false) return input;
  return variantsOf(input).find((variant) => matcher.matches(variant) === true) ?? input;
}

function matcherOf(format: unknown): Matcher | undefined {
  if (!isObject(format) || format['type'] !== 'grammar') return undefined;
  // Chat completions have an object for it.
  const { syntax, definition } = isObject(format['grammar']) ? format['grammar'] : format;
  if (typeof definition !== 'string' || definition.length > maxDefinition) return undefined;
  try {
    return new Matcher(syntax === 'regex' ? readRegex(definition) : readLark(definition));
  } catch (error) {
    if (error instanceof Uncheckable) return undefined;
    throw error;
  }
}

function variantsOf(input: string): string[] {
  const [, fenced] = /^\s*```[^\n`]*\n([\s\S]*?)\n?```\s*$/.exec(input) ?? [];
  return [input, ...(fenced === undefined ? [] : [fenced])].flatMap((text) => {
    const unix = text.replaceAll('\r\n', '\n');
    return [text, `${text}\n`, text.trim(), `${text.trim()}\n`, `${unix.trim()}\n`, unix.trim()];
  });
}
