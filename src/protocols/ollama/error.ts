import type { ErrorFormat } from '../../chat/protocol.ts';

/** Errors as Ollama's clients read them: text, not an object. */
export const ollamaErrors = { body: (error) => ({ error: error.message }) } satisfies ErrorFormat;
