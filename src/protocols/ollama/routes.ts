import type { Constraint } from '../../chat/constraint.ts';
import type { PassThroughRoute } from '../../chat/protocol.ts';
import { isObject, jsonLine } from '../../framing/json.ts';
import { fieldOf } from './body.ts';
import { errorLine } from './error.ts';
import { modelsIn } from './models-in.ts';
import { hasOddHistory } from './odd-history.ts';
import { thinkTagFilter } from './think-tags.ts';
import { withoutThinking } from './without-thinking.ts';

/** @see https://docs.ollama.com/modelfile#valid-parameters-and-values */
function outputTokens(body: unknown): number | undefined {
  const options = fieldOf(body, 'options');
  const limit = isObject(options) ? options['num_predict'] : undefined;
  return typeof limit === 'number' && limit > 0 ? limit : undefined;
}

/** Without prompt and messages, Ollama only loads the model. It streams unless `stream` is false. */
function unseenTokens(body: unknown): number | undefined {
  const [prompt, messages] = [fieldOf(body, 'prompt') ?? '', fieldOf(body, 'messages') ?? []];
  if (prompt === '' && Array.isArray(messages) && messages.length === 0) return 0;
  return fieldOf(body, 'stream') === false ? (outputTokens(body) ?? Infinity) : undefined;
}

function constraint(body: unknown): Constraint | undefined {
  const format = fieldOf(body, 'format');
  return isObject(format) ? 'schema' : format === 'json' ? 'json' : undefined;
}

const endAtLength =
  (content: object) =>
  (model: string): string => {
    const line = { model, created_at: new Date().toISOString(), ...content, done: true, done_reason: 'length' };
    return `${jsonLine(line)}\n`;
  };

const generates = {
  scope: 'inference',
  modelsIn,
  outputTokens,
  unseenTokens,
  constraint,
  lineFailure: errorLine,
  withoutThinking,
  thinkTagFilter,
} as const;

/**
 * The paths passed through to an Ollama server; any other path is a 404. Those that modify the server need the admin
 * scope.
 *
 * @see https://docs.ollama.com/api
 */
export const ollamaRoutes: readonly PassThroughRoute[] = [
  { method: 'GET', path: '/', scope: 'inference' },
  {
    method: 'POST',
    path: '/api/chat',
    ...generates,
    hasOddHistory,
    endAtLength: endAtLength({ message: { role: 'assistant', content: '' } }),
  },
  { method: 'POST', path: '/api/generate', ...generates, endAtLength: endAtLength({ response: '' }) },
  { method: 'POST', path: '/api/embed', scope: 'inference', modelsIn, outputTokens: () => 0 },
  { method: 'POST', path: '/api/embeddings', scope: 'inference', modelsIn, outputTokens: () => 0 },
  { method: 'POST', path: '/api/show', scope: 'inference', modelsIn },
  { method: 'GET', path: '/api/tags', scope: 'inference', listsModels: true },
  { method: 'GET', path: '/api/ps', scope: 'inference', listsModels: true },
  { method: 'GET', path: '/api/version', scope: 'inference' },
  { method: 'POST', path: '/api/pull', scope: 'admin', lineFailure: errorLine },
  { method: 'POST', path: '/api/push', scope: 'admin', lineFailure: errorLine },
  { method: 'POST', path: '/api/create', scope: 'admin', lineFailure: errorLine },
  { method: 'POST', path: '/api/copy', scope: 'admin' },
  { method: 'DELETE', path: '/api/delete', scope: 'admin' },
  { method: 'GET', path: '/api/blobs/:digest{sha256:[0-9a-f]{64}}', scope: 'admin' },
  { method: 'POST', path: '/api/blobs/:digest{sha256:[0-9a-f]{64}}', scope: 'admin' },
];
