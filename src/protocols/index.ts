import type { EmbeddingsProtocol, ErrorBody, GenerationProtocol, ModelsProtocol } from '../chat/contract.ts';
import type { Config } from '../config/schema.ts';
import { ollamaError } from './ollama/error.ts';
import { nativeRoutes } from './ollama/routes.ts';
import { chatCompletions } from './openai/chat-completions/index.ts';
import { completions } from './openai/completions/index.ts';
import { embeddings } from './openai/embeddings/index.ts';
import { openaiError } from './openai/error.ts';
import { models } from './openai/models/index.ts';

/** What clients speak: one line a dialect. */
export const protocols = {
  generation: (config: Pick<Config, 'reasoning_field'>): GenerationProtocol[] => [
    chatCompletions(config.reasoning_field),
    completions,
  ],
  embeddings: [embeddings] satisfies EmbeddingsProtocol[],
  models: [models] satisfies ModelsProtocol[],
  passThrough: nativeRoutes,
};

/** The shape of errors where no route says it. */
export function errorBodyFor(path: string): ErrorBody {
  return path.startsWith('/api/') || path === '/' ? ollamaError : openaiError;
}
