import type { GenerationRequest, JsonObject } from '../../chat/request.ts';

/** Ollama's options by the names that OpenAI has for the same. */
const standard: ReadonlyMap<string, string> = new Map([
  ['temperature', 'temperature'],
  ['top_p', 'top_p'],
  ['seed', 'seed'],
  ['stop', 'stop'],
  ['frequency_penalty', 'frequency_penalty'],
  ['presence_penalty', 'presence_penalty'],
  ['num_predict', 'max_tokens'],
]);

/** Those that OpenAI does not have but local servers do, by their names for them. */
export const extra: ReadonlyMap<string, readonly string[]> = new Map([
  ['top_k', ['top_k']],
  ['min_p', ['min_p']],
  ['typical_p', ['typical_p']],
  // vLLM has the longer name, llama.cpp Ollama's.
  ['repeat_penalty', ['repeat_penalty', 'repetition_penalty']],
]);

/** How a request wants to be sampled, in the fields of a body, and the options for which there is no field. */
export function toSampling({ sampling, options = {} }: GenerationRequest): { fields: JsonObject; dropped: string[] } {
  const fields = new Map<string, unknown>();
  const dropped: string[] = [];
  for (const [name, value] of Object.entries(options)) {
    if (value == null) continue;
    const names = [standard.get(name) ?? extra.get(name) ?? []].flat();
    // 0 and less mean that nothing bounds the answer, which no field here says.
    const unbounded = name === 'num_predict' && typeof value === 'number' && value <= 0;
    if (!unbounded) for (const field of names) fields.set(field, value);
    if (names.length === 0) dropped.push(`options.${name}`);
  }
  const own = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    seed: sampling.seed,
    stop: sampling.stop,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    max_tokens: sampling.maxTokens,
  };
  for (const [field, value] of Object.entries(own)) if (value !== undefined) fields.set(field, value);
  return { fields: Object.fromEntries(fields), dropped };
}
