import { type Mending, mendCalls } from '../../calls/mend-calls.ts';
import { callsInText } from '../../calls/text/text-calls.ts';
import { ToolNames } from '../../calls/tool-names.ts';
import type { Emit } from '../../chat/event.ts';
import { firstToolCallOnly } from '../../chat/filters/event-filters.ts';
import type { ChatRequest, GenerationRequest, Tool } from '../../chat/request.ts';
import type { UpstreamServices } from '../../services.ts';
import { newCallId } from '../../upstreams/call-ids.ts';
import { type ToolFallback, hasTools } from './tool-fallback.ts';

/** A request is sent again for each choice and each attempt. */
const namesOfTools = new WeakMap<readonly Tool[], ToolNames>();

export function namesOf(tools: readonly Tool[]): ToolNames {
  const known = namesOfTools.get(tools);
  if (known !== undefined) return known;
  const names = new ToolNames(tools);
  namesOfTools.set(tools, names);
  return names;
}

/**
 * Mends the tool calls of an answer: names and arguments, and calls that came as text. Only a request with tools is looked at,
 * and text only if it need not be in a format: JSON that was asked for is no call.
 *
 * @param fallback what the request did to the tools
 */
export function withMendedCalls(
  emit: Emit,
  request: GenerationRequest,
  fallback: ToolFallback | undefined,
  { config, metrics, upstream }: UpstreamServices,
): Emit {
  if (!hasTools(request) || fallback === 'drop') return emit;
  const model = upstream.catalog.label(request.model);
  const onMended = (repair: Mending): void =>
    metrics.answers.repairedCalls.inc({ model, upstream: upstream.name, repair });
  const mended = mendCalls(emit, namesOf(request.tools), onMended);
  if (request.format !== undefined) return mended;
  const isEmulated = fallback === 'emulate';
  return callsInText(request.parallelToolCalls === false ? firstToolCallOnly(mended) : mended, {
    names: namesOf(allowedTools(request)),
    maxHeld: config.limits.line,
    newId: newCallId,
    // Ollama constrains the answer, and checks it.
    isForced: isEmulated && request.toolChoice !== undefined && upstream.kind !== 'ollama',
    ...(!isEmulated && { onCall: () => onMended('text') }),
  });
}

function allowedTools({ tools = [], toolChoice }: ChatRequest): readonly Tool[] {
  return typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : tools;
}
