import { hasTag, modelKey, readConfiguredName } from '../chat/model-name.ts';

/** A parsed pattern of model names: the lower-case texts between its stars. Like Ollama, patterns ignore case. */
export type Pattern = readonly string[];

/** @param pattern a model name, in which * matches any text */
export function toPattern(pattern: string): Pattern {
  return pattern.toLowerCase().split('*');
}

/**
 * @param pattern a model name in any spelling, in which * matches any text
 * @returns the pattern and, for a name without stars, also a pattern for the shortest name of the model
 */
export function toPatterns(pattern: string): Pattern[] {
  const given = toPattern(pattern);
  return given.length > 1 ? [given] : [given, toPattern(readConfiguredName(pattern))];
}

/**
 * @param model a name that `readModelName` returned
 * @returns true when the pattern matches the model; `llama3` and `llama3:latest` are the same model
 */
export function matches(pattern: Pattern, model: string): boolean {
  const key = modelKey(model);
  return matchesName(pattern, key) || (!hasTag(key) && matchesName(pattern, `${key}:latest`));
}

/**
 * The name begins with the first text, ends with the last, and contains the others in order. Linear in the name, which
 * a client chooses; a regular expression with several stars would not be.
 */
function matchesName([first = '', ...rest]: Pattern, name: string): boolean {
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let position = first.length;
  for (const text of rest) {
    const found = name.indexOf(text, position);
    if (found === -1) return false;
    position = found + text.length;
  }
  return name.length >= position + last.length && name.endsWith(last);
}
