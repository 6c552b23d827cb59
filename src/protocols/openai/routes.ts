import type { PassThroughRoute } from '../../chat/protocol.ts';
import { errorFrame } from './stream.ts';
import { foldedName, isObject } from '../../framing/json.ts';

/** Fields of llamaduct's own beside OpenAI's, which no other server knows. */
const ownFields = ['options', 'keep_alive', 'think', 'hide_thinking', 'hidethinking', 'format', 'raw', 'truncate'];

/** A body that names more than one model is not passed on: a few of them tell enough. */
const maxNamed = 16;

/** Servers written in Go read names without regard to case, and some take a list of `models` to fall back to. */
function modelsNamed(body: unknown): string[] {
  if (!isObject(body)) return [];
  return Object.entries(body)
    .filter(([name]) => ['model', 'models'].includes(foldedName(name)))
    .flatMap(([, value]) => (Array.isArray(value) ? (value as unknown[]) : [value]))
    .filter((name) => typeof name === 'string')
    .slice(0, maxNamed);
}

/** Several answers at once are llamaduct's own to bound. */
function asksMore(body: unknown): boolean {
  if (!isObject(body)) return true;
  return Object.entries(body).some(([name, value]) => {
    const field = foldedName(name);
    if (field === 'n' || field === 'best_of') return value != null && value !== 1;
    if (field === 'prompt') return Array.isArray(value);
    return value != null && ownFields.includes(field);
  });
}

function outputTokens(body: unknown): number | undefined {
  if (!isObject(body)) return undefined;
  const limits = [body['max_completion_tokens'], body['max_tokens']];
  return limits.find((limit) => typeof limit === 'number' && limit > 0) as number | undefined;
}

const sse = { asks: (body: unknown) => isObject(body) && body['stream'] === true, failure: errorFrame };

/** What is passed on to a server with an OpenAI API, whose address holds the /v1. */
export const openaiRoutes: readonly PassThroughRoute[] = ['/chat/completions', '/completions', '/embeddings'].map(
  (upstreamPath) => ({
    method: 'POST',
    path: `/v1${upstreamPath}`,
    upstreamPath,
    scope: 'inference',
    modelsNamed,
    asksMore,
    ...(upstreamPath === '/embeddings' ? { outputTokens: () => 0 } : { outputTokens, sse }),
  }),
);
