import type { PassThroughRoute } from '../../chat/protocol.ts';
import type { GatewayError } from '../../errors.ts';
import { isObject, jsonLine } from '../../framing/json.ts';
import { ollamaErrors } from './error.ts';
import { modelsNamed } from './models-named.ts';

/** @see https://docs.ollama.com/modelfile#valid-parameters-and-values */
function outputTokens(body: unknown): number | undefined {
  const options = isObject(body) ? body['options'] : undefined;
  const limit = isObject(options) ? options['num_predict'] : undefined;
  return typeof limit === 'number' && limit > 0 ? limit : undefined;
}

function lineFailure(error: GatewayError): string {
  return `${jsonLine(ollamaErrors.body(error))}\n`;
}

/**
 * All that is passed on; any other path is a 404. What changes the box needs the admin scope.
 *
 * @see https://docs.ollama.com/api
 */
export const ollamaRoutes: readonly PassThroughRoute[] = [
  { method: 'GET', path: '/', scope: 'inference' },
  { method: 'POST', path: '/api/chat', scope: 'inference', modelsNamed, outputTokens, lineFailure },
  { method: 'POST', path: '/api/generate', scope: 'inference', modelsNamed, outputTokens, lineFailure },
  { method: 'POST', path: '/api/embed', scope: 'inference', modelsNamed, outputTokens: () => 0 },
  { method: 'POST', path: '/api/embeddings', scope: 'inference', modelsNamed, outputTokens: () => 0 },
  { method: 'POST', path: '/api/show', scope: 'inference', modelsNamed },
  { method: 'GET', path: '/api/tags', scope: 'inference', lists: true },
  { method: 'GET', path: '/api/ps', scope: 'inference', lists: true },
  { method: 'GET', path: '/api/version', scope: 'inference' },
  { method: 'POST', path: '/api/pull', scope: 'admin', lineFailure },
  { method: 'POST', path: '/api/push', scope: 'admin', lineFailure },
  { method: 'POST', path: '/api/create', scope: 'admin', lineFailure },
  { method: 'POST', path: '/api/copy', scope: 'admin' },
  { method: 'DELETE', path: '/api/delete', scope: 'admin' },
  { method: 'GET', path: '/api/blobs/:digest{sha256:[0-9a-f]{64}}', scope: 'admin' },
  { method: 'POST', path: '/api/blobs/:digest{sha256:[0-9a-f]{64}}', scope: 'admin' },
];
