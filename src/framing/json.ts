/** A number kept as the text it was written in, which JSON.stringify writes back unchanged. */
type RawJson = { readonly rawJSON: string };

/** JSON with source text access, which TypeScript's library does not declare yet. @see https://github.com/tc39/proposal-json-parse-with-source */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): RawJson;
};

/**
 * Parses JSON so that `JSON.stringify` gives every number back with all its digits, 9007199254740993 included.
 * Slower than JSON.parse: for tool arguments, not for tokens.
 *
 * @throws {SyntaxError} when the text is not JSON.
 */
export function parseExact(text: string): unknown {
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value,
  );
}

const lineEnds = /[\u0085\u2028\u2029]/g;

/**
 * JSON on one line, also to readers of lines that take more for a line's end than the standards do: Python's
 * `splitlines`, and so httpx, ollama-python and LiteLLM.
 */
export function jsonLine(value: unknown): string {
  const json = JSON.stringify(value);
  return json.replace(lineEnds, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** True for what JSON calls an object: not null, not an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field's name as Go's encoding/json compares it: without regard to case, the long s included. */
export function foldedName(name: string): string {
  return name.replaceAll('ſ', 's').toLowerCase();
}
