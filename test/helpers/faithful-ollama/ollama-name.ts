import { visit } from 'jsonc-parser';

/**
 * The model that Ollama finds by a name, written after its own source, part by part.
 *
 * @returns the full name in lower case, with `cloud` before it for a model of the cloud; undefined if Ollama refuses the name
 * @see https://github.com/ollama/ollama/blob/main/types/model/name.go
 * @see https://github.com/ollama/ollama/blob/main/internal/modelref/modelref.go
 */
export function ollamaModel(name: string): string | undefined {
  const raw = trimSpace(name);
  if (raw === '') return undefined;
  const [base, source] = parseSourceSuffix(raw);
  if (source !== '' && parseSourceSuffix(base)[1] !== '') return undefined;
  let rest = base;
  let [host, namespace, tag] = ['', '', ''];
  if (rest.lastIndexOf(':') > rest.lastIndexOf('/')) [rest, tag] = cutPromised(rest, ':') ?? [rest, ''];
  const first = cutPromised(rest, '/');
  const model = first === undefined ? rest : first[1];
  if (first !== undefined) {
    const second = cutPromised(first[0], '/');
    namespace = second === undefined ? first[0] : second[1];
    if (second !== undefined) {
      const scheme = second[0].indexOf('://');
      host = scheme === -1 ? second[0] : second[0].slice(scheme + 3);
    }
  }
  host ||= 'registry.ollama.ai';
  namespace ||= 'library';
  tag ||= 'latest';
  const isValid =
    isPart(host, 350, /[-_.:]/) &&
    isPart(namespace, 80, /[-_]/) &&
    isPart(model, 80, /[-_.]/) &&
    isPart(tag, 80, /[-_.]/);
  return isValid
    ? `${source === 'cloud' ? 'cloud ' : ''}${host}/${namespace}/${model}:${tag}`.toLowerCase()
    : undefined;
}

function parseSourceSuffix(raw: string): [base: string, source: '' | 'local' | 'cloud'] {
  const index = raw.lastIndexOf(':');
  if (index === -1) return [raw, ''];
  const suffixRaw = trimSpace(raw.slice(index + 1));
  const suffix = suffixRaw.toLowerCase();
  if (suffix === 'cloud' || suffix === 'local') return [raw.slice(0, index), suffix];
  if (suffixRaw.includes('/') || !suffix.endsWith('-cloud')) return [raw, ''];
  return [raw.slice(0, index + 1) + suffixRaw.slice(0, -'-cloud'.length), 'cloud'];
}

const missing = '!MISSING!';

function cutPromised(text: string, separator: string): [before: string, after: string] | undefined {
  const index = text.lastIndexOf(separator);
  return index === -1 ? undefined : [text.slice(0, index) || missing, text.slice(index + 1) || missing];
}

function isPart(part: string, max: number, others: RegExp): boolean {
  if (part.length === 0 || part.length > max) return false;
  return part.split('').every((letter, at) => /\w/.test(letter) || (at > 0 && others.test(letter)));
}

const isSpace = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function trimSpace(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace.test(text.charAt(start))) start += 1;
  while (end > start && isSpace.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/**
 * A field of a request body as Ollama reads it: names of the outermost object in any case, the last value holds, and null
 * changes nothing.
 */
export function ollamaField(json: string, field: string): unknown {
  let value: unknown;
  visit(json, {
    onObjectProperty(name, _offset, _length, _line, _character, pathOf) {
      current = pathOf().length === 0 ? name.replaceAll('ſ', 's').toLowerCase() : '';
    },
    onLiteralValue(literal: unknown, _offset, _length, _line, _character, pathOf) {
      if (pathOf().length === 1 && current === field && literal !== null) value = literal;
    },
  });
  return value;
}

let current = '';

/** The model that Ollama would run for a request body, its older spelling included. */
export function ollamaModelIn(json: string): string | undefined {
  const [model, name] = [ollamaField(json, 'model'), ollamaField(json, 'name')];
  const named = model || name;
  return typeof named === 'string' ? ollamaModel(named) : undefined;
}
