import type { Backend } from '../../chat/backend.ts';
import { firstCallOnly } from '../../chat/stages.ts';
import { adapted } from './adapt.ts';
import { OpenAiDecoder } from './decoder.ts';
import { embedQuestion } from './embed.ts';
import { statusError } from './error.ts';
import { models } from './models.ts';
import { toOpenAi } from './request.ts';
import { OpenAiTap } from './tap.ts';

/** Servers with an OpenAI API: vLLM, llama.cpp, LM Studio, clouds, a second llamaduct. Their address holds the `/v1`. */
export const openai: Backend = {
  generation: toOpenAi,
  decoder(request, emit, maxLineBytes) {
    // Not every server keeps to it.
    const single = request.kind === 'chat' && request.parallelToolCalls === false;
    return new OpenAiDecoder(single ? firstCallOnly(emit) : emit, maxLineBytes);
  },
  error: statusError,
  adapted,
  tap: () => new OpenAiTap(),
  embeddings: embedQuestion,
  embeddingsError: statusError,
  models,
};
