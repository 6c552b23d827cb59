/** A number with its source text, which JSON.stringify writes unchanged. */
type RawJson = { readonly rawJSON: string };

/** JSON.parse source text access, which TypeScript's library does not declare yet. @see https://github.com/tc39/proposal-json-parse-with-source */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): RawJson;
  isRawJSON(value: unknown): value is RawJson;
};

/**
 * Parses JSON so that `JSON.stringify` writes every number with all its digits, for example 9007199254740993. Slower than
 * JSON.parse: use it for tool arguments, not for tokens.
 *
 * @throws {SyntaxError} when the text is not JSON
 * @throws {RangeError} when it is nested too deeply
 */
export function parseExact(text: string): unknown {
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value,
  );
}

/** @returns a number that `parseExact` returned, in either of its two forms; undefined for any other value */
export function exactNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return json.isRawJSON(value) ? Number(value.rawJSON) : undefined;
}

/** Line separators that JSON.stringify does not escape. */
const lineSeparators = /[\u0085\u2028\u2029]/g;

/**
 * JSON on one line, even for readers that split lines at more characters than the standards do: Python's `splitlines`, which
 * httpx, ollama-python and LiteLLM use.
 */
export function jsonLine(value: unknown): string {
  const json = JSON.stringify(value);
  return json.replace(lineSeparators, (separator) => `\\u${separator.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** True for a JSON object, false for null and arrays. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns a text as it is, '' for any other value */
export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** @returns a text as it is, '' for null and undefined, JSON for any other value */
export function textOrJson(value: unknown): string {
  return value == null || typeof value === 'string' ? textIn(value) : JSON.stringify(value);
}

/** Folds a field name as Go's encoding/json does to compare it: case-insensitive, with the long s equal to s. */
export function foldedName(name: string): string {
  return name.replaceAll('ſ', 's').toLowerCase();
}
