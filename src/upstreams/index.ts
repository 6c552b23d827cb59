import type { Backend } from '../chat/contract.ts';
import { ollama } from './ollama/index.ts';

/** What backends speak: one line a kind. */
export const backends = { ollama } satisfies Record<string, Backend>;
