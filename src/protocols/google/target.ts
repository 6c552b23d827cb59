import type { ReadTarget, TargetReader } from '../../chat/protocol.ts';

/** The methods of models, each with a route of its own. A streamed answer is an array unless the query asks for events. */
export const methods: ReadonlySet<string> = new Set([
  'generateContent',
  'streamGenerateContent',
  'countTokens',
  'embedContent',
  'batchEmbedContents',
]);

/**
 * Reads the targets of Google's API, which have the method and the model in the path, and often the key in the query. The AI SDK
 * leaves out `models/` before a name with a slash. The list at `/v1/models` is OpenAI's as well: only requests with Google's
 * header for the key get Google's.
 *
 * @see https://ai.google.dev/api
 */
export const readGoogleTarget: TargetReader = (path, query, header): ReadTarget | undefined => {
  const [, base, rest] = /^\/(v1(?:alpha|beta)?)\/(.+)$/.exec(path) ?? [];
  if (base === undefined || rest === undefined) return undefined;
  const parameters = new URLSearchParams(query);
  const secret = parameters.get('key') ?? '';
  const key = secret === '' ? {} : { secret };
  const method = readMethod(base, rest, parameters);
  if (method !== undefined) return { ...method, ...key };
  if (base !== 'v1') return { path: `/v1beta/${rest}`, ...key };
  const isGoogle = /^models(?:\/|$)/.test(rest) && header('x-goog-api-key') !== undefined;
  return isGoogle ? { path: `/v1beta/${rest}` } : undefined;
};

/** @param rest of the path, behind `base` @returns undefined for a path without a method of Google's */
function readMethod(base: string, rest: string, query: URLSearchParams): ReadTarget | undefined {
  // Some HTTP clients encode the colon.
  const form = base === 'v1' ? /^models\/(.+)(?::|%3a)(\w+)$/i : /^(?:models\/)?(.+)(?::|%3a)(\w+)$/i;
  const [, encodedModel, method = ''] = form.exec(rest) ?? [];
  if (encodedModel === undefined || encodedModel === 'models/' || !methods.has(method)) return undefined;
  const alt = query.get('alt') ?? query.get('$alt');
  const isArray = method === 'streamGenerateContent' && alt?.toLowerCase() !== 'sse';
  return { path: `/v1beta/${method}${isArray ? '/array' : ''}`, encodedModel };
}
