import type { BackendKind } from '../../src/upstreams/index.ts';

/** A client API in front of an upstream of one kind. */
export interface Dialect {
  readonly path: string;
  /** The path of an answer that is not streamed, if it is another one. */
  readonly wholePath?: string;
  readonly kind: BackendKind;
  /** True when client and upstream speak the same API, so that requests are passed through. */
  readonly passedThrough: boolean;
  readonly body: object;
  /** Reads its streams. */
  readonly format: Format;
}

interface Format {
  readonly contentType: RegExp;
  /** @returns the records of a stream. @throws {Error} when clients could not parse it */
  readonly records: (text: string) => Record<string, unknown>[];
  /** True when the record is the error that clients look for. */
  readonly isError: (record: Record<string, unknown>) => boolean;
  /** True when the record says that the answer is complete. */
  readonly isEnd: (record: Record<string, unknown>) => boolean;
}

/**
 * @param record a body, or a record of a stream
 * @returns its message, and its code where the dialect has one
 * @throws {Error} when it is not an error of the dialect
 */
export function errorIn(path: string, record: unknown): { message: string; code?: unknown } {
  const { error, type, code, message } = record as Record<string, unknown>;
  if (path.startsWith('/api/')) {
    if (typeof error === 'string') return { message: error };
  } else if (path === '/v1/responses' && type === 'error') {
    if (typeof message === 'string') return { message, code };
  } else if (typeof error === 'object' && error !== null) {
    const { type: errorType, message: text, code: errorCode, status } = error as Record<string, unknown>;
    if (path.startsWith('/v1beta/')) {
      if (typeof text === 'string' && typeof status === 'string') return { message: text };
      throw new Error(`not an error of ${path}: ${JSON.stringify(record)}`);
    }
    if (typeof text === 'string' && typeof errorType === 'string') {
      if (path !== '/v1/messages') return { message: text, code: errorCode };
      if (type === 'error') return { message: text };
    }
  }
  throw new Error(`not an error of ${path}: ${JSON.stringify(record)}`);
}

function sseRecords(text: string): Record<string, unknown>[] {
  if (text !== '' && !text.endsWith('\n\n')) throw new Error('the last event has no end');
  return text
    .split('\n\n')
    .flatMap((block) => block.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => (line === 'data: [DONE]' ? { type: '[DONE]' } : (JSON.parse(line.slice(6)) as object)))
    .map((record) => record as Record<string, unknown>);
}

function ndjsonRecords(text: string): Record<string, unknown>[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no end');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const ofType =
  (...types: readonly string[]) =>
  ({ type }: Record<string, unknown>): boolean =>
    types.includes(String(type));

const sse = { contentType: /^text\/event-stream/, records: sseRecords };
const openaiChunks: Format = { ...sse, isError: (record) => 'error' in record, isEnd: ofType('[DONE]') };
const responseEvents: Format = {
  ...sse,
  isError: ofType('error'),
  isEnd: ofType('response.completed', 'response.incomplete'),
};
const messageEvents: Format = { ...sse, isError: ofType('error'), isEnd: ofType('message_stop') };
const contentEvents: Format = {
  ...sse,
  isError: (record) => 'error' in record,
  isEnd: (record) => JSON.stringify(record).includes('"finishReason"'),
};
const ollamaLines: Format = {
  contentType: /^application\/x-ndjson/,
  records: ndjsonRecords,
  isError: (record) => 'error' in record,
  isEnd: ({ done }) => done === true,
};

const hi = { messages: [{ role: 'user', content: 'hi' }] };
const clientApis: readonly Pick<Dialect, 'path' | 'body' | 'format' | 'wholePath'>[] = [
  { path: '/v1/chat/completions', body: hi, format: openaiChunks },
  { path: '/v1/completions', body: { prompt: 'hi' }, format: openaiChunks },
  { path: '/v1/responses', body: { input: 'hi' }, format: responseEvents },
  { path: '/v1/messages', body: { ...hi, max_tokens: 100 }, format: messageEvents },
  { path: '/api/chat', body: hi, format: ollamaLines },
  { path: '/api/generate', body: { prompt: 'hi' }, format: ollamaLines },
  {
    path: '/v1beta/streamGenerateContent',
    wholePath: '/v1beta/generateContent',
    body: { contents: 'hi' },
    format: contentEvents,
  },
];
const nativePaths: Record<BackendKind, RegExp> = { ollama: /^\/api\//, openai: /^\/v1\/(chat\/)?completions$/ };

/** Every streaming client API in front of each kind of upstream. */
export const dialects: readonly Dialect[] = (['ollama', 'openai'] as const).flatMap((kind) =>
  clientApis.map(({ body, ...api }) => {
    return {
      ...api,
      kind,
      passedThrough: nativePaths[kind].test(api.path),
      body: { model: 'scripted-plain', ...body },
    };
  }),
);
