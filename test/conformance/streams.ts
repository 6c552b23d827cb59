import { type Recording, recordings } from '../helpers/recordings.ts';
import type { Dialect } from './replay.ts';

/** The recordings of each kind of backend: streams that began with status 200, errors in mid-stream included. */
export const recorded = {
  ollama: { chat: '/api/chat', completion: '/api/generate', servers: ['ollama-0.17.4', 'ollama-0.33'] },
  openai: { chat: '/v1/chat/completions', completion: '/v1/completions', servers: ['v1-0.17.4', 'v1-0.33'] },
} as const;
export type Kind = keyof typeof recorded;
export const kinds = Object.keys(recorded) as Kind[];

function streamsOf(kind: Kind, requestKind: 'chat' | 'completion'): Recording[] {
  return recordings(/-stream$/, recorded[kind].servers).filter(
    ({ path, status }) => path === recorded[kind][requestKind] && status === 200,
  );
}

export const streams = Object.fromEntries(
  kinds.map((kind) => [kind, { chat: streamsOf(kind, 'chat'), completion: streamsOf(kind, 'completion') }]),
) as Record<Kind, Record<'chat' | 'completion', Recording[]>>;

/** @returns the recordings that answer the dialect's kind of request */
export function streamsFor(kind: Kind, { call }: Dialect): Recording[] {
  return streams[kind][call.requests[0].kind];
}
