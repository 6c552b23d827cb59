import { invalidValue } from '../errors.ts';

/** Maximum length of a name, in bytes. */
const maxBytes = 512;

const defaultHost = 'registry.ollama.ai';
const defaultNamespace = 'library';
const defaultTag = 'latest';

/** The parts of a name that Ollama accepts. A part that the name omits is undefined. */
interface NameParts {
  readonly host: string | undefined;
  readonly namespace: string | undefined;
  readonly model: string;
  readonly tag: string | undefined;
}

/**
 * Reads a model name as Ollama does. Removes surrounding white space, the scheme, the default host and namespace, `:local`, and
 * the prefix `ollama/` or `ollama_chat/` that LiteLLM users write. Two names with the same {@link modelKey} are one model.
 *
 * Ollama has no model with a name that it does not accept, such as a file path or another server's id. Such a name only loses
 * white space and prefix.
 *
 * @returns the shortest name of the same model, in the given case; idempotent. '' for no name
 * @throws {GatewayError} 400 for a name that no model can have
 * @see https://github.com/ollama/ollama/blob/main/types/model/name.go
 * @see https://github.com/ollama/ollama/blob/main/internal/modelref/modelref.go
 */
export function readModelName(given: string): string {
  // Fast path: nearly every request has such a name, and it is already the shortest.
  if (plain.test(given) && !sourceSuffix.test(given)) return given;
  const name = withoutPrefix(printable(given));
  const parts = partsOf(name);
  if (parts !== undefined) return shortest(parts);
  // Ollama ignores everything before ://, so a pattern would be compared with text that has no meaning.
  if (name.includes('://'))
    throw invalidValue('model', 'model must not contain ://, except https:// before a full name.');
  return name;
}

/** Reads a name in the configuration. A name that no model of Ollama can have is returned unchanged. */
export function readConfiguredName(name: string): string {
  try {
    return readModelName(name);
  } catch {
    return name;
  }
}

/**
 * @param name a name that {@link readModelName} returned, or that a server lists
 * @returns the key that all names of the same model share: it ignores case and the tag `latest`
 */
export function modelKey(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(`:${defaultTag}`) ? lower.slice(0, -1 - defaultTag.length) : lower;
}

/** True when a name has a tag. The colon before a host's port does not start one. */
export function hasTag(name: string): boolean {
  return name.lastIndexOf(':') > name.lastIndexOf('/');
}

/** @returns the name without surrounding white space. @throws {GatewayError} 400 when it is too long or not printable */
function printable(given: string): string {
  if (given.length > maxBytes || Buffer.byteLength(given) > maxBytes) {
    throw invalidValue('model', `model must have at most ${maxBytes} bytes.`);
  }
  const name = trimmed(given);
  if (unprintable.test(name)) throw invalidValue('model', 'model must not contain control characters.');
  return name;
}

/** A name without host and namespace, with or without a tag. */
const plain = /^\w[\w.-]{0,79}(?::\w[\w.-]{0,79})?$/;
const sourceSuffix = /(?:local|cloud)$/i;

/** Control and format characters, line separators, and halves of surrogate pairs. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/u;

/** Go's white space. JavaScript's trim() also removes U+FEFF, and keeps U+0085. */
const blank = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+';
const blanksAround = new RegExp(`^${blank}|${blank}$`, 'g');

function trimmed(name: string): string {
  return name.replace(blanksAround, '');
}

const clientPrefix = /^ollama(?:_chat)?\//i;

function withoutPrefix(name: string): string {
  let rest = name;
  while (clientPrefix.test(rest)) rest = trimmed(rest.slice(rest.indexOf('/') + 1));
  return rest;
}

const isHost = /^\w[\w.:-]{0,349}$/;
const isNamespace = /^\w[\w-]{0,79}$/;
const isModelOrTag = /^\w[\w.-]{0,79}$/;

/** @returns the parts of a name; undefined for a name that Ollama does not accept */
function partsOf(name: string): NameParts | undefined {
  const source = sourceOf(name);
  if (source === undefined) return undefined;
  const { base, isCloud } = source;
  const end = hasTag(base) ? base.lastIndexOf(':') : base.length;
  const tag = end < base.length ? base.slice(end + 1) : undefined;
  const [, scheme, path = ''] = /^(https?:\/\/)?(.*)$/is.exec(base.slice(0, end)) ?? [];
  const [model = '', namespace, host, ...others] = path.split('/').toReversed();
  // Ollama reads a scheme only before a host.
  if (others.length > 0 || (scheme !== undefined && host === undefined)) return undefined;
  const parts = { host, namespace, model, tag };
  return isValid(parts) ? { ...parts, tag: isCloud ? cloudTag(tag) : tag } : undefined;
}

function isValid({ host, namespace, model, tag }: NameParts): boolean {
  return (
    isModelOrTag.test(model) &&
    (tag === undefined || isModelOrTag.test(tag)) &&
    (namespace === undefined || isNamespace.test(namespace)) &&
    (host === undefined || isHost.test(host))
  );
}

/** A name without the suffix `:local`, `:cloud` or `-cloud`, which selects the server or Ollama's cloud. */
interface Source {
  readonly base: string;
  readonly isCloud: boolean;
}

/** @returns undefined for a name with two such suffixes, which Ollama refuses */
function sourceOf(name: string): Source | undefined {
  const source = cutSource(name);
  if (source === undefined) return { base: name, isCloud: false };
  return cutSource(source.base) === undefined ? source : undefined;
}

function cutSource(name: string): Source | undefined {
  const colon = name.lastIndexOf(':');
  const suffix = trimmed(name.slice(colon + 1));
  const lower = suffix.toLowerCase();
  if (colon === -1) return undefined;
  if (lower === 'local' || lower === 'cloud') return { base: name.slice(0, colon), isCloud: lower === 'cloud' };
  if (suffix.includes('/') || !lower.endsWith(cloudSuffix)) return undefined;
  return { base: name.slice(0, colon + 1) + suffix.slice(0, -cloudSuffix.length), isCloud: true };
}

const cloudSuffix = '-cloud';

/** @returns the tag with which Ollama lists a cloud model */
function cloudTag(tag: string | undefined): string {
  return tag === undefined || isSame(tag, defaultTag) ? 'cloud' : tag + cloudSuffix;
}

function shortest({ host = defaultHost, namespace = defaultNamespace, model, tag }: NameParts): string {
  const isHome = isSame(host, defaultHost);
  const path = isHome && isSame(namespace, defaultNamespace) ? [model] : [namespace, model];
  const name = (isHome ? path : [host, ...path]).join('/');
  // The scheme distinguishes it from a name with LiteLLM's prefix.
  const full = clientPrefix.test(name) ? `https://${host}/${namespace}/${model}` : name;
  return tag === undefined ? full : `${full}:${tag}`;
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other;
}
