/** A parsed pattern of model names: the lower-case texts between its stars. Like Ollama, patterns ignore case. */
export type Pattern = readonly string[];

/** @param pattern a model name, in which * matches any text */
export function toPattern(pattern: string): Pattern {
  return pattern.toLowerCase().split('*');
}

/** @returns true when the pattern matches the model; `llama3` and `llama3:latest` are the same model */
export function matches(pattern: Pattern, model: string): boolean {
  const name = model.toLowerCase();
  const names = name.includes(':') ? [name, name.replace(/:latest$/, '')] : [name, `${name}:latest`];
  return names.some((spelling) => matchesName(pattern, spelling));
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
