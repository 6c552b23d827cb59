import type { ChatResult } from '../../chat/accumulator.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { validateAnswer } from '../../schema/json-schema.ts';

/** True if a whole answer matches its schema. An answer that was cut at its length, or that calls tools, need not match. */
export function matchesSchema(request: GenerationRequest, { finishReason, text }: ChatResult): boolean {
  if (typeof request.format !== 'object' || finishReason !== 'stop') return true;
  return validateAnswer(request.format, text) === undefined;
}

/** @returns the request with another seed, because the same one would produce the same answer */
export function withAnotherSeed(request: GenerationRequest): GenerationRequest {
  const { seed } = request.sampling;
  return seed === undefined ? request : { ...request, sampling: { ...request.sampling, seed: seed + 1 } };
}
