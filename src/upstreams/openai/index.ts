import type { Backend } from '../../chat/backend.ts';
import { firstToolCallOnly } from '../../chat/filters/event-filters.ts';
import { adapt, refusesTools } from './adapt.ts';
import { OpenAiDecoder } from './decoder.ts';
import { embedQuery } from './embed.ts';
import { statusError } from './error.ts';
import { safeSchemas } from './native-schemas.ts';
import { models } from './models.ts';
import { toOpenAi } from './request.ts';
import { OpenAiUsageObserver } from './usage-observer.ts';

/** Servers with an OpenAI API: vLLM, llama.cpp, LM Studio, clouds, another llamaduct. Their configured URL includes `/v1`. */
export const openai: Backend = {
  generation: toOpenAi,
  decoder(request, emit, maxLineBytes, watch = (same) => same) {
    // Not every server honours parallel_tool_calls.
    const single = request.kind === 'chat' && request.parallelToolCalls === false;
    return new OpenAiDecoder(watch(single ? firstToolCallOnly(emit) : emit), maxLineBytes);
  },
  error: statusError,
  adapt,
  refusesTools,
  safeSchemas,
  observer: () => new OpenAiUsageObserver(),
  embeddings: embedQuery,
  embeddingsError: statusError,
  takesExactIds: true,
  models,
};
