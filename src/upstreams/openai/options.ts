import type { GenerationRequest, JsonObject } from '../../chat/request.ts';

/** Ollama's options that OpenAI does not have, and the names that local servers have for them. */
export const nonStandard: ReadonlyMap<string, readonly string[]> = new Map([
  ['top_k', ['top_k']],
  ['min_p', ['min_p']],
  ['typical_p', ['typical_p']],
  // llama.cpp has Ollama's name, vLLM the other.
  ['repeat_penalty', ['repeat_penalty', 'repetition_penalty']],
]);

/** All of Ollama's options that a server may have a field for, and the names of these fields. */
const fieldNames: ReadonlyMap<string, readonly string[]> = new Map([
  ['temperature', ['temperature']],
  ['top_p', ['top_p']],
  ['seed', ['seed']],
  ['stop', ['stop']],
  ['frequency_penalty', ['frequency_penalty']],
  ['presence_penalty', ['presence_penalty']],
  ['num_predict', ['max_tokens']],
  ...nonStandard,
]);

/** @returns the fields of a request body that control sampling, and the options for which there is no field */
export function toSampling({ sampling, options = {} }: GenerationRequest): { fields: JsonObject; dropped: string[] } {
  const fields = new Map<string, unknown>();
  const dropped: string[] = [];
  for (const [name, value] of Object.entries(options)) {
    if (value == null) continue;
    const names = fieldNames.get(name);
    if (names === undefined) dropped.push(`options.${name}`);
    else if (!isUnlimited(name, value)) for (const field of names) fields.set(field, value);
  }
  const standardSampling = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    // -1 asks Ollama for a random seed.
    seed: sampling.seed === -1 ? undefined : sampling.seed,
    stop: sampling.stop,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    max_tokens: sampling.maxTokens,
  };
  for (const [field, value] of Object.entries(standardSampling)) if (value !== undefined) fields.set(field, value);
  return { fields: Object.fromEntries(fields), dropped };
}

/** True for a `num_predict` of 0 or less: no limit, which is what OpenAI's API means by an absent field. */
function isUnlimited(name: string, value: unknown): boolean {
  return name === 'num_predict' && typeof value === 'number' && value <= 0;
}
