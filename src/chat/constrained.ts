import type { GenerationRequest } from './request.ts';

/** True if the answer is constrained by a JSON Schema: the format, or the arguments of a forced tool call. */
export function isConstrained(request: GenerationRequest): boolean {
  if (typeof request.format === 'object') return true;
  return request.kind === 'chat' && request.toolChoice !== undefined;
}
