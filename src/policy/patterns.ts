/** A pattern of model names, * for any text. Names are compared as Ollama does, without regard to case. */
export function toPattern(pattern: string): RegExp {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${source}$`, 'is');
}

/** Whether a pattern means a model; `llama3` and `llama3:latest` are one. */
export function matches(pattern: RegExp, model: string): boolean {
  const names = model.includes(':') ? [model, model.replace(/:latest$/i, '')] : [model, `${model}:latest`];
  return names.some((name) => pattern.test(name));
}
