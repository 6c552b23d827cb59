import type { GenerationRequest } from './request.ts';

/** The form that an answer must have: that of a JSON Schema, which the arguments of a forced tool call have too, or any JSON. */
export type Constraint = 'schema' | 'json';

/** @returns undefined if the answer may be any text */
export function constraintOf(request: GenerationRequest): Constraint | undefined {
  if (typeof request.format === 'object') return 'schema';
  if (request.kind === 'chat' && request.toolChoice !== undefined) return 'schema';
  return request.format;
}
