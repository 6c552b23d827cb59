import { isObject } from '../../framing/json.ts';

/** What servers tell of an error, in whichever of their shapes. */
export interface ParsedError {
  readonly message: string;
  /** OpenAI's code or type, or the one of another server: '' where it tells none. */
  readonly code: string;
  /** The request field at fault. */
  readonly param?: string;
}

const nothing: ParsedError = { message: '', code: '' };

/**
 * Reads the text of an error: `{"error":{"message","type","code","param"}}` as OpenAI has it, `{"error":"text"}`,
 * `{"object":"error","message"}` of vLLM, `{"detail"}` of FastAPI. What is none of them is not the server speaking but
 * a proxy's page, perhaps, and tells nothing.
 */
export function readErrorBody(body: string): ParsedError {
  return parseErrorFields(parsed(body));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param depth some servers put one shape into another, but not without end */
export function parseErrorFields(value: unknown, depth = 0): ParsedError {
  if (typeof value === 'string') return { message: value, code: '' };
  if (!isObject(value) || depth > 3) return nothing;
  const { error, detail, message } = value;
  const inner = error ?? (message === undefined ? detail : undefined);
  if (Array.isArray(inner)) return toldByPydantic(inner);
  if (inner != null) return parseErrorFields(inner, depth + 1);
  if (isObject(message)) return parseErrorFields(message, depth + 1);
  // Newer versions of Ollama put the error of llama.cpp into the text of their own.
  const inText = typeof message === 'string' && message.startsWith('{') ? parsed(message) : undefined;
  if (inText !== undefined) return parseErrorFields(inText, depth + 1);
  const { type, param } = value;
  // OpenRouter's codes are statuses.
  const code = typeof value['code'] === 'number' ? String(value['code']) : value['code'];
  return {
    message: typeof message === 'string' ? message : '',
    code: ([code, type].find((each) => typeof each === 'string' && each !== '') as string | undefined) ?? '',
    ...(typeof param === 'string' && param !== '' && { param }),
  };
}

/** FastAPI lists every field at fault. @see https://docs.pydantic.dev/latest/errors/errors/ */
function toldByPydantic(details: readonly unknown[]): ParsedError {
  const faults = details.filter(isObject).map(({ loc, msg }) => ({
    path: Array.isArray(loc) ? loc.filter((each) => each !== 'body' && isName(each)).join('.') : '',
    message: typeof msg === 'string' ? msg : '',
  }));
  const [first] = faults;
  return {
    message: faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; '),
    code: '',
    ...(faults.length === 1 && first !== undefined && first.path !== '' && { param: first.path }),
  };
}

function isName(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}
