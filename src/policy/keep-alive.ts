import type { Key } from './keys.ts';
import type { ModelRule } from './model-rules.ts';

/** Seconds. A model that stays loaded for less is unloaded at once; one that stays for longer is pinned. */
const bounds = { least: 1, most: 24 * 3600 };

/** Characters of a duration that is read. A longer one takes time, and nobody writes one. */
const maxLength = 256;

interface AskedBy {
  readonly key: Key | undefined;
  readonly rule: ModelRule | undefined;
}

/**
 * Decides whether a request's `keep_alive` is ignored. It applies to everybody who uses the model: a key with the inference
 * scope must not unload the model, nor keep it loaded for good. The operator's own value replaces any other.
 */
export function ignoresKeepAlive(value: unknown, { key, rule }: AskedBy): boolean {
  if (value == null || rule?.keep_alive !== undefined || rule?.any_keep_alive === true) return false;
  if (key === undefined || key.scopes.includes('admin')) return false;
  if (typeof value === 'string' && value.length > maxLength) return true;
  const seconds = typeof value === 'string' ? (goDuration(value) ?? plainSeconds(value)) : Number(value);
  return seconds !== undefined && !(seconds >= bounds.least && seconds <= bounds.most);
}

/** @returns the request, without its `keep_alive` if that is ignored */
export function withAllowedKeepAlive<R extends { readonly keepAlive?: unknown }>(request: R, by: AskedBy): R {
  if (!ignoresKeepAlive(request.keepAlive, by)) return request;
  const { keepAlive: _, ...rest } = request;
  return rest as R;
}

/** Ollama refuses a text without a unit. Servers that imitate it may not. @returns undefined for a text that is no number */
function plainSeconds(text: string): number | undefined {
  const seconds = text.trim() === '' ? NaN : Number(text);
  return Number.isNaN(seconds) ? undefined : seconds;
}

const secondsPer: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/**
 * Reads a duration as Ollama does, in time in proportion to its length.
 *
 * @returns seconds; undefined for a text that Ollama refuses
 * @see https://pkg.go.dev/time#ParseDuration
 */
function goDuration(text: string): number | undefined {
  const [, sign, amounts = ''] = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  let seconds = 0;
  for (const [, amount, unit = ''] of amounts.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    seconds += Number(amount) * (secondsPer[unit] ?? 0);
  }
  return sign === '-' ? -seconds : seconds;
}
