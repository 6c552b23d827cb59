/** A pattern of model names, * for any text. Names are compared as Ollama does, without regard to case. */
export type Pattern = readonly string[];

/** The texts between the stars, of which a name has to begin with the first and to end with the last. */
export function toPattern(pattern: string): Pattern {
  return pattern.toLowerCase().split('*');
}

/** Whether a pattern means a model; `llama3` and `llama3:latest` are one. */
export function matches(pattern: Pattern, model: string): boolean {
  const name = model.toLowerCase();
  const names = name.includes(':') ? [name, name.replace(/:latest$/, '')] : [name, `${name}:latest`];
  return names.some((spelling) => matchesName(pattern, spelling));
}

/** Linear in the name, which a client chooses: a regular expression with several stars would not be. */
function matchesName([first = '', ...rest]: Pattern, name: string): boolean {
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const text of rest) {
    const found = name.indexOf(text, at);
    if (found === -1) return false;
    at = found + text.length;
  }
  return name.length >= at + last.length && name.endsWith(last);
}
