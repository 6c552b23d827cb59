import type { ChatProtocol, ErrorBody, ModelsProtocol } from '../chat/contract.ts';
import type { Config } from '../config/schema.ts';
import { ollamaError } from './ollama/error.ts';
import { nativeRoutes } from './ollama/routes.ts';
import { chatCompletions } from './openai/chat-completions/index.ts';
import { openaiError } from './openai/error.ts';
import { models } from './openai/models/index.ts';

/** What clients speak: one line a dialect. */
export const protocols = {
  chat: (config: Pick<Config, 'reasoning_field'>): ChatProtocol[] => [chatCompletions(config.reasoning_field)],
  models: [models] satisfies ModelsProtocol[],
  passThrough: nativeRoutes,
};

/** The shape of errors where no route says it. */
export function errorBodyFor(path: string): ErrorBody {
  return path.startsWith('/api/') || path === '/' ? ollamaError : openaiError;
}
