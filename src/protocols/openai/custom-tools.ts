import type { JsonObject, Tool } from '../../chat/request.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { defined, object, oneOf, required, string } from '../fields.ts';
import { mendInput } from './grammars/index.ts';

// A custom tool takes a text. Backends only know functions, so each is offered to the model as a function of one text.

/** The parameter of the function. */
const parameter = 'input';

/** Characters of a grammar that the model is shown. */
const maxGrammar = 20_000;

/**
 * Reads a custom tool of chat completions or of responses.
 *
 * @param fields its `description` and `format`; chat completions have the grammar in an object of its own
 * @returns the function that is offered instead
 * @throws {GatewayError} 400 with `param` for a field of the wrong type
 * @see https://platform.openai.com/docs/guides/function-calling#custom-tools
 */
export function readCustomTool(name: string, fields: JsonObject, path: string): Tool {
  const description = string(fields['description'], `${path}.description`) ?? '';
  const grammar = readGrammar(fields['format'], `${path}.format`);
  const text = [description, grammar].filter((part) => part !== '').join('\n\n');
  return {
    name,
    ...defined({ description: text === '' ? undefined : text }),
    parameters: {
      type: 'object',
      properties: { [parameter]: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
      required: [parameter],
    },
  };
}

function readGrammar(value: unknown, path: string): string {
  const format = object(value, path);
  if (format?.['type'] !== 'grammar') return '';
  const nested = object(format['grammar'], `${path}.grammar`);
  const [fields, at] = nested === undefined ? [format, path] : [nested, `${path}.grammar`];
  const syntax = required(oneOf, fields['syntax'], `${at}.syntax`, ['lark', 'regex']);
  const definition = required(string, fields['definition'], `${at}.definition`);
  const kind = syntax === 'regex' ? 'regular expression' : 'Lark grammar';
  return `The input must match this ${kind}:\n${definition.slice(0, maxGrammar)}`;
}

/**
 * @param text the arguments that the model called the function with
 * @param format of the tool, as the client sent it
 * @returns the text that it meant: models also name the parameter otherwise, write the text without an object, or wrap it
 */
export function toInput(text: string, format: unknown): string {
  return mendInput(meantBy(text), format);
}

function meantBy(text: string): string {
  let parsed: unknown;
  try {
    parsed = parseExact(text);
  } catch {
    return text;
  }
  if (typeof parsed === 'string') return parsed;
  if (!isObject(parsed)) return text;
  const [only, ...others] = Object.values(parsed);
  const value = parsed[parameter] ?? (others.length === 0 ? only : undefined);
  return typeof value === 'string' ? value : text;
}

/** @returns the arguments of the function for an earlier call of the tool. @param input the text of the call */
export function fromInput(input: string): JsonObject {
  return { [parameter]: input };
}
