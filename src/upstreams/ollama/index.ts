import type { Backend } from '../../chat/backend.ts';
import type { Emit } from '../../chat/event.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { firstToolCallOnly } from '../../chat/filters/event-filters.ts';
import { adapt, refusesTools } from './adapt.ts';
import { OllamaDecoder } from './decoder.ts';
import { embedError, embedQuery } from './embed.ts';
import { statusError } from './error.ts';
import { safeSchemas } from './native-schemas.ts';
import { callsFromText } from './forced-tool-calls.ts';
import { contextLength, details, loaded, models, version } from './models.ts';
import { toOllama } from './request.ts';
import { checkTools } from './tools.ts';
import { OllamaUsageObserver } from './usage-observer.ts';

export const ollama: Backend = {
  generation: toOllama,
  check: checkTools,
  decoder(request, emit, maxLineBytes, watch = (same) => same) {
    return new OllamaDecoder(watch(emulating(request, emit, maxLineBytes)), maxLineBytes);
  },
  error: statusError,
  adapt,
  refusesTools,
  safeSchemas,
  observer: () => new OllamaUsageObserver(),
  embeddings: embedQuery,
  embeddingsError: embedError,
  version,
  models,
  details,
  contextLength,
  loaded,
};

/** Adds what Ollama does not support to a decoder's events: a single tool call, and calls that are written as text. */
function emulating(request: GenerationRequest, emit: Emit, maxTextLength: number): Emit {
  if (request.kind !== 'chat') return emit;
  const { format, toolChoice, tools } = request;
  const single = request.parallelToolCalls === false ? firstToolCallOnly(emit) : emit;
  const forced = toolChoice !== undefined;
  if (!forced && (tools === undefined || format === undefined)) return single;
  const names = typeof toolChoice === 'object' ? [toolChoice.name] : (tools ?? []).map(({ name }) => name);
  return callsFromText(single, { names, forced, format, maxTextLength });
}
