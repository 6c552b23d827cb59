import type { ContextSizes } from '../errors.ts';
import { isObject, textIn } from '../framing/json.ts';

/** The fields of an error, whichever shape the server uses. */
export interface ParsedError {
  readonly message: string;
  /** The code, or else the type: OpenAI's or another server's; '' for none. */
  readonly code: string;
  /** The request field at fault. */
  readonly param?: string;
  /** The sizes that llama.cpp reports for a prompt that is too long. */
  readonly sizes?: ContextSizes;
  /** The address where an account of Ollama is signed in. */
  readonly signIn?: string;
}

const none: ParsedError = { message: '', code: '' };

/** Maximum nesting of an error in others. */
const maxDepth = 6;

/**
 * Reads the body of an error response: `{"error":{"message","type","code","param"}}` as OpenAI sends it, `{"error":"text"}`,
 * `{"object":"error","message"}` of vLLM, `{"detail"}` of FastAPI.
 *
 * @returns an empty error for any other body, which is probably not from the server but the page of a proxy
 */
export function readErrorBody(body: string): ParsedError {
  return parseErrorFields(parseJson(body));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads an error that is JSON of any shape.
 *
 * @param depth number of errors around this one
 */
export function parseErrorFields(value: unknown, depth = 0): ParsedError {
  if (depth > maxDepth) return none;
  if (typeof value === 'string') return errorInText(value, depth) ?? { message: value, code: '' };
  if (!isObject(value)) return none;
  const nested = nestedError(value);
  if (Array.isArray(nested)) return pydanticError(nested);
  const parsed = nested == null ? ownFields(value) : parseErrorFields(nested, depth + 1);
  const signIn = value['signin_url'];
  return typeof signIn === 'string' && signIn !== '' ? { ...parsed, signIn } : parsed;
}

/** Newer versions of Ollama put the JSON of llama.cpp's error into their message, and may add lines of the log after it. */
function errorInText(text: string, depth: number): ParsedError | undefined {
  if (!text.startsWith('{')) return undefined;
  const end = text.lastIndexOf('}') + 1;
  const json = parseJson(text.slice(0, end));
  if (!isObject(json)) return undefined;
  const parsed = parseErrorFields(json, depth + 1);
  if (parsed.message === '') return undefined;
  return { ...parsed, message: `${parsed.message}\n${text.slice(end)}`.trim() };
}

/** @returns the error inside another; null or undefined when `value` itself has the fields */
function nestedError({ error, detail, message }: Readonly<Record<string, unknown>>): unknown {
  const nested = error ?? (message === undefined ? detail : undefined);
  if (nested != null) return nested;
  const isNested = isObject(message) || (typeof message === 'string' && message.startsWith('{'));
  return isNested ? message : undefined;
}

function ownFields(fields: Readonly<Record<string, unknown>>): ParsedError {
  const { message, code, type, param, n_prompt_tokens: prompt, n_ctx: context } = fields;
  // OpenRouter's codes are numbers: HTTP statuses.
  const codes = [typeof code === 'number' ? String(code) : code, type];
  return {
    message: textIn(message),
    code: codes.find((each): each is string => typeof each === 'string' && each !== '') ?? '',
    ...(typeof param === 'string' && param !== '' && { param }),
    ...(typeof prompt === 'number' && typeof context === 'number' && { sizes: { prompt, context } }),
  };
}

/** FastAPI lists all fields at fault. @see https://docs.pydantic.dev/latest/errors/errors/ */
function pydanticError(details: readonly unknown[]): ParsedError {
  const faults = details.filter(isObject).map(({ loc, msg }) => ({
    path: Array.isArray(loc) ? loc.filter((key) => key !== 'body' && isKey(key)).join('.') : '',
    message: textIn(msg),
  }));
  const [first] = faults;
  return {
    message: faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; '),
    code: '',
    ...(faults.length === 1 && first !== undefined && first.path !== '' && { param: first.path }),
  };
}

function isKey(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}
