import type { PassThroughRoute } from '../../chat/protocol.ts';
import { isObject } from '../../framing/json.ts';
import { errorLine } from './error.ts';
import { modelsNamed } from './models-named.ts';

/** @see https://docs.ollama.com/modelfile#valid-parameters-and-values */
function outputTokens(body: unknown): number | undefined {
  const options = isObject(body) ? body['options'] : undefined;
  const limit = isObject(options) ? options['num_predict'] : undefined;
  return typeof limit === 'number' && limit > 0 ? limit : undefined;
}

/**
 * The paths passed through to an Ollama server; any other path is a 404. Those that modify the server need the admin
 * scope.
 *
 * @see https://docs.ollama.com/api
 */
export const ollamaRoutes: readonly PassThroughRoute[] = [
  { method: 'GET', path: '/', scope: 'inference' },
  { method: 'POST', path: '/api/chat', scope: 'inference', modelsNamed, outputTokens, lineFailure: errorLine },
  { method: 'POST', path: '/api/generate', scope: 'inference', modelsNamed, outputTokens, lineFailure: errorLine },
  { method: 'POST', path: '/api/embed', scope: 'inference', modelsNamed, outputTokens: () => 0 },
  { method: 'POST', path: '/api/embeddings', scope: 'inference', modelsNamed, outputTokens: () => 0 },
  { method: 'POST', path: '/api/show', scope: 'inference', modelsNamed },
  { method: 'GET', path: '/api/tags', scope: 'inference', lists: true },
  { method: 'GET', path: '/api/ps', scope: 'inference', lists: true },
  { method: 'GET', path: '/api/version', scope: 'inference' },
  { method: 'POST', path: '/api/pull', scope: 'admin', lineFailure: errorLine },
  { method: 'POST', path: '/api/push', scope: 'admin', lineFailure: errorLine },
  { method: 'POST', path: '/api/create', scope: 'admin', lineFailure: errorLine },
  { method: 'POST', path: '/api/copy', scope: 'admin' },
  { method: 'DELETE', path: '/api/delete', scope: 'admin' },
  { method: 'GET', path: '/api/blobs/:digest{sha256:[0-9a-f]{64}}', scope: 'admin' },
  { method: 'POST', path: '/api/blobs/:digest{sha256:[0-9a-f]{64}}', scope: 'admin' },
];
