import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import { type BackendKind, backends } from '../../upstreams/index.ts';
import { changeBytes } from './exact-bytes.ts';
import type { RewrittenBody } from './rewrite.ts';

/**
 * Simplifies the schemas of a body that is passed on, and adds the keywords that they lose to its dropped fields. A body without any
 * that need it stays byte for byte the same.
 */
export function withSafeSchemas(rewritten: RewrittenBody, kind: BackendKind): RewrittenBody {
  const { body, bytes, dropped } = rewritten;
  if (!isObject(body)) return rewritten;
  const backend = backends[kind];
  const safe = backend.safeSchemas(body);
  if (safe.body === body) return rewritten;
  return {
    ...rewritten,
    body: safe.body,
    bytes: changeBytes(bytes, (exact) => backend.safeSchemas(exact as JsonObject).body),
    dropped: [...dropped, ...safe.dropped],
  };
}
