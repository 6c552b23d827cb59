import type { ChatBackend } from '../../chat/contract.ts';
import { OllamaChatDecoder } from './decoder.ts';
import { statusError } from './error.ts';
import { readTags } from './models.ts';
import { toOllamaChat } from './request.ts';
import { OllamaTap } from './tap.ts';

export const ollama: ChatBackend = {
  chatPath: '/api/chat',
  chatBody: toOllamaChat,
  decoder: (emit, maxLineBytes) => new OllamaChatDecoder(emit, maxLineBytes),
  error: statusError,
  tap: () => new OllamaTap(),
  modelsPath: '/api/tags',
  models: readTags,
};
