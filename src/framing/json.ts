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

/** True for what JSON calls an object: not null, not an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field's name as Go's encoding/json compares it: without regard to case, the long s included. */
export function foldedName(name: string): string {
  return name.replaceAll('ſ', 's').toLowerCase();
}
