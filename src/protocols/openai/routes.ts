import type { PassThroughRoute } from '../../chat/protocol.ts';
import { isObject } from '../../framing/json.ts';

/** Fields of llamaduct's own beside OpenAI's, which no other server knows. */
const ownFields = ['options', 'keep_alive', 'think', 'hide_thinking', 'hidethinking', 'format', 'raw', 'truncate'];

function modelsNamed(body: unknown): string[] {
  return isObject(body) && typeof body['model'] === 'string' ? [body['model']] : [];
}

/** Several answers at once are llamaduct's own to bound. */
function asksMore(body: unknown): boolean {
  if (!isObject(body)) return true;
  const several = [body['n'], body['best_of']].some((count) => count != null && count !== 1);
  return several || Array.isArray(body['prompt']) || ownFields.some((field) => body[field] != null);
}

/** What is passed on to a server with an OpenAI API, whose address holds the /v1. */
export const openaiRoutes: readonly PassThroughRoute[] = ['/chat/completions', '/completions', '/embeddings'].map(
  (upstreamPath) => ({
    method: 'POST',
    path: `/v1${upstreamPath}`,
    upstreamPath,
    scope: 'inference',
    modelsNamed,
    asksMore,
  }),
);
