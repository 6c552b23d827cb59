import { isObject } from '../framing/json.ts';
import type { GenerationRequest } from './request.ts';

/**
 * @returns true if a server may be silent for long in the middle of its answer: many servers send a tool call only when it
 *   is complete, and some read the prompt again between the thinking and an answer that has to match a schema
 */
export function maySilentlyGenerate(request: GenerationRequest): boolean {
  return request.format !== undefined || (request.kind === 'chat' && (request.tools ?? []).length > 0);
}

/** @returns the same for a request body of any dialect */
export function maySilentlyGenerateIn(body: unknown): boolean {
  if (!isObject(body)) return false;
  const { format, functions, response_format: responseFormat, tools } = body;
  const hasTools = [tools, functions].some((list) => Array.isArray(list) && list.length > 0);
  const isText = !isObject(responseFormat) || responseFormat['type'] === 'text';
  return hasTools || !isText || (format != null && format !== '');
}
