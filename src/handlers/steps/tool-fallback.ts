import { withToolsAsText, withoutTools } from '../../chat/emulated-tools.ts';
import { withMissingNote } from '../../chat/missing-tools.ts';
import type { ChatRequest, GenerationRequest, Tool } from '../../chat/request.ts';
import { invalidValue, quoted } from '../../errors.ts';
import { foldedName, isObject } from '../../framing/json.ts';
import type { ModelRule } from '../../policy/model-rules.ts';
import type { Upstream } from '../../pool/upstream.ts';
import type { UpstreamServices } from '../../services.ts';
import { withTimeout } from '../../with-timeout.ts';
import { rejectDroppedFields } from './dropped-fields.ts';

/** The treatment of the tools of a request for a model that takes none. */
export type ToolFallback = 'emulate' | 'drop';

/** Milliseconds to wait for the details of a model. */
const deadline = 2_000;
/** Milliseconds for which a list of models is good enough. */
const maxListAge = 60_000;

type ToolRequest = ChatRequest & { readonly tools: readonly Tool[] };

export function hasTools(request: GenerationRequest): request is ToolRequest {
  return request.kind === 'chat' && request.tools !== undefined && request.tools.length > 0;
}

/**
 * Decides on the tools of a request before it is sent. Without a rule, only a model that has refused tools before gets them as
 * text.
 *
 * @returns undefined if the model gets the tools as they are
 * @throws {GatewayError} 400 with `tools: refuse`
 */
export async function fallbackFor(
  request: GenerationRequest,
  services: UpstreamServices,
): Promise<ToolFallback | undefined> {
  if (!hasTools(request)) return undefined;
  const { rules, upstream } = services;
  const rule = rules.rule(request.model);
  const lacksTools = upstream.toolSupport.lacks(request.model);
  if (!lacksTools && (rule?.tools === undefined || (await reportsTools(request.model, upstream)))) return undefined;
  return chooseFallback(request, rule, services);
}

/**
 * Decides on the tools of a request that was refused because of them.
 *
 * @throws {GatewayError} 400 with `tools: refuse`
 */
export function fallbackAfterRefusal(request: GenerationRequest, services: UpstreamServices): ToolFallback {
  services.upstream.toolSupport.refused(request.model);
  return chooseFallback(request, services.rules.rule(request.model), services);
}

function chooseFallback(
  { model }: GenerationRequest,
  rule: ModelRule | undefined,
  { config, metrics, upstream }: UpstreamServices,
): ToolFallback {
  const mode = rule?.tools ?? 'emulate';
  metrics.answers.toolFallbacks.inc({ model: upstream.catalog.label(model), mode });
  if (mode === 'refuse') throw invalidValue('tools', `The model ${quoted(model)} takes no tools here.`);
  if (mode === 'drop' && config.strict) rejectDroppedFields(['tools']);
  return mode;
}

/** True only if the server says so. */
async function reportsTools(model: string, { catalog }: Upstream): Promise<boolean> {
  const asking = (async () => {
    await catalog.list(maxListAge);
    return await catalog.details(model);
  })();
  const details = await withTimeout(
    deadline,
    asking.catch(() => undefined),
  );
  return details?.capabilities?.includes('tools') === true;
}

/** @returns the request as the model gets it */
export function withFallback(request: GenerationRequest, fallback: ToolFallback | undefined): GenerationRequest {
  if (fallback === undefined || request.kind !== 'chat') return request;
  if (fallback === 'emulate') return withToolsAsText(request);
  // The client asked for a search: the model would make up what it finds.
  const searches = request.tools?.some(({ runsHere }) => runsHere === true) === true;
  return withMissingNote(withoutTools(request), searches ? ['web search'] : []);
}

/** The fields of a request that have no effect. */
export function fallbackDropped(request: GenerationRequest, fallback: ToolFallback | undefined): readonly string[] {
  if (fallback !== 'drop' || request.kind !== 'chat') return [];
  return request.toolChoice === undefined ? ['tools'] : ['tools', 'tool_choice'];
}

export function fallbackHeader(fallback: ToolFallback | undefined): Record<string, string> {
  return fallback === undefined ? {} : { 'x-llamaduct-tools': fallback };
}

/** True for a body in Ollama's own API whose tools, or the calls of its answer, a rule changes. */
export function changesTools(body: unknown, rule: ModelRule | undefined): boolean {
  if (rule === undefined || (rule.tools === undefined && rule.repair_tools === 0) || !isObject(body)) return false;
  return Object.entries(body).some(
    ([name, value]) => foldedName(name) === 'tools' && Array.isArray(value) && value.length > 0,
  );
}
