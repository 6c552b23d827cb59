import type { Backend } from '../chat/backend.ts';
import { ollama } from './ollama/index.ts';
import { openai } from './openai/index.ts';

/** The APIs that upstreams can have, by their name in the configuration. */
export const backends = { ollama, openai } satisfies Record<string, Backend>;

export type BackendKind = keyof typeof backends;
