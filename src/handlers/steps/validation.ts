import type { ChatResult } from '../../chat/accumulator.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { validateAnswer } from '../../schema/json-schema.ts';

/** Whether a whole answer is what its schema asks for. One that was cut at its length, or that calls tools, need not be. */
export function matchesSchema(request: GenerationRequest, { finishReason, text }: ChatResult): boolean {
  if (typeof request.format !== 'object' || finishReason !== 'stop') return true;
  return validateAnswer(request.format, text) === undefined;
}

/** The same request for another try: with its seed it would only get the same answer. */
export function withAnotherSeed(request: GenerationRequest): GenerationRequest {
  const { seed } = request.sampling;
  return seed === undefined ? request : { ...request, sampling: { ...request.sampling, seed: seed + 1 } };
}
