import type { Tool as OllamaTool } from 'ollama';
import type { ChatRequest, GenerationRequest, Tool } from '../../chat/request.ts';
import { toOllamaFunction } from './schema.ts';
import { type Budget, type Source, SchemaBudget } from './schema-budget.ts';

/** A request is translated again for each choice and each attempt. */
const translatedTools = new WeakMap<readonly Tool[], OllamaTool[]>();

/** @throws {GatewayError} 400 when their schemas take too much work, or become too long */
export function toOllamaTools(tools: readonly Tool[], budget: Budget): OllamaTool[] {
  const known = translatedTools.get(tools);
  if (known !== undefined) return known;
  const translated = tools.map((tool): OllamaTool => ({ type: 'function', function: toOllamaFunction(tool, budget) }));
  translatedTools.set(tools, translated);
  return translated;
}

/** The budget for the tools and the format of a request together. */
export function schemaBudgetOf({ tools = [], format }: Pick<ChatRequest, 'tools' | 'format'>): Budget {
  const sources: Source[] = tools.map(({ parameters }) => ({ schema: parameters ?? {}, param: 'tools' }));
  return new SchemaBudget([
    ...sources,
    ...(typeof format === 'object' ? [{ schema: format, param: 'response_format' }] : []),
  ]);
}

/** Translates the tools of a request, so that one that is refused for them need not wait. @throws {GatewayError} 400 */
export function checkTools(request: GenerationRequest): void {
  if (request.kind === 'chat' && request.tools !== undefined) toOllamaTools(request.tools, schemaBudgetOf(request));
}
