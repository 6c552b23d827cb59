import type { GenerationRequest, JsonObject } from '../../chat/request.ts';

/** Ollama's options, and OpenAI's names for them. */
const standard: ReadonlyMap<string, string> = new Map([
  ['temperature', 'temperature'],
  ['top_p', 'top_p'],
  ['seed', 'seed'],
  ['stop', 'stop'],
  ['frequency_penalty', 'frequency_penalty'],
  ['presence_penalty', 'presence_penalty'],
  ['num_predict', 'max_tokens'],
]);

/** Ollama's options that OpenAI does not have, and the names that local servers have for them. */
export const nonStandard: ReadonlyMap<string, readonly string[]> = new Map([
  ['top_k', ['top_k']],
  ['min_p', ['min_p']],
  ['typical_p', ['typical_p']],
  // llama.cpp has Ollama's name, vLLM the other.
  ['repeat_penalty', ['repeat_penalty', 'repetition_penalty']],
]);

/** @returns the fields of a request body that control sampling, and the options for which there is no field */
export function toSampling({ sampling, options = {} }: GenerationRequest): { fields: JsonObject; dropped: string[] } {
  const fields = new Map<string, unknown>();
  const dropped: string[] = [];
  for (const [name, value] of Object.entries(options)) {
    if (value == null) continue;
    const names = [standard.get(name) ?? nonStandard.get(name) ?? []].flat();
    // 0 and less mean no limit, which is OpenAI's meaning of an absent field.
    const unbounded = name === 'num_predict' && typeof value === 'number' && value <= 0;
    if (!unbounded) for (const field of names) fields.set(field, value);
    if (names.length === 0) dropped.push(`options.${name}`);
  }
  const standardSampling = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    seed: sampling.seed,
    stop: sampling.stop,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    max_tokens: sampling.maxTokens,
  };
  for (const [field, value] of Object.entries(standardSampling)) if (value !== undefined) fields.set(field, value);
  return { fields: Object.fromEntries(fields), dropped };
}
