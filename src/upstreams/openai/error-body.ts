import { isObject } from '../../framing/json.ts';

/** The fields of an error, whichever shape the server uses. */
export interface ParsedError {
  readonly message: string;
  /** The code, or else the type: OpenAI's or another server's; '' for none. */
  readonly code: string;
  /** The request field at fault. */
  readonly param?: string;
}

const none: ParsedError = { message: '', code: '' };

/** How deep an error may be nested in others. */
const maxDepth = 3;

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
  if (typeof value === 'string') return { message: value, code: '' };
  if (!isObject(value) || depth > maxDepth) return none;
  const nested = nestedError(value);
  if (Array.isArray(nested)) return pydanticError(nested);
  return nested == null ? ownFields(value) : parseErrorFields(nested, depth + 1);
}

/** @returns the error inside another; null or undefined when `value` itself has the fields */
function nestedError({ error, detail, message }: Readonly<Record<string, unknown>>): unknown {
  const nested = error ?? (message === undefined ? detail : undefined);
  if (nested != null) return nested;
  if (isObject(message)) return message;
  // Newer versions of Ollama put the JSON of llama.cpp's error into their message.
  return typeof message === 'string' && message.startsWith('{') ? parseJson(message) : undefined;
}

function ownFields({ message, code, type, param }: Readonly<Record<string, unknown>>): ParsedError {
  // OpenRouter's codes are numbers: HTTP statuses.
  const codes = [typeof code === 'number' ? String(code) : code, type];
  return {
    message: typeof message === 'string' ? message : '',
    code: codes.find((each): each is string => typeof each === 'string' && each !== '') ?? '',
    ...(typeof param === 'string' && param !== '' && { param }),
  };
}

/** FastAPI lists all fields at fault. @see https://docs.pydantic.dev/latest/errors/errors/ */
function pydanticError(details: readonly unknown[]): ParsedError {
  const faults = details.filter(isObject).map(({ loc, msg }) => ({
    path: Array.isArray(loc) ? loc.filter((key) => key !== 'body' && isKey(key)).join('.') : '',
    message: typeof msg === 'string' ? msg : '',
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
