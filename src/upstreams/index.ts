import type { Backend } from '../chat/backend.ts';
import { ollama } from './ollama/index.ts';
import { openai } from './openai/index.ts';

/** What backends speak: one line a kind. */
export const backends = { ollama, openai } satisfies Record<string, Backend>;

export type BackendKind = keyof typeof backends;
