import type { BackendKind } from '../../src/upstreams/index.ts';

/** What a client speaks, to an upstream of a kind. */
export interface Dialect {
  readonly path: string;
  readonly kind: BackendKind;
  /** Whether its requests are passed on as they are. */
  readonly passed: boolean;
  readonly body: object;
  /** Reads its streams. */
  readonly format: Format;
}

interface Format {
  readonly contentType: RegExp;
  /** The records of a stream. @throws {Error} for what its clients could not read */
  readonly records: (text: string) => Record<string, unknown>[];
  /** Whether a record is the error that clients look for. */
  readonly isError: (record: Record<string, unknown>) => boolean;
  /** Whether a record says that the answer is complete. */
  readonly isEnd: (record: Record<string, unknown>) => boolean;
}

/** The shape of an error in a body or a record; its code where the dialect tells it. @throws {Error} for another shape */
export function errorIn(path: string, record: unknown): { message: string; code?: unknown } {
  const { error, type, code, message } = record as Record<string, unknown>;
  if (path.startsWith('/api/')) {
    if (typeof error === 'string') return { message: error };
  } else if (path === '/v1/responses' && type === 'error') {
    if (typeof message === 'string') return { message, code };
  } else if (typeof error === 'object' && error !== null) {
    const { type: inner, message: text, code: told } = error as Record<string, unknown>;
    if (typeof text === 'string' && typeof inner === 'string') {
      if (path !== '/v1/messages') return { message: text, code: told };
      if (type === 'error') return { message: text };
    }
  }
  throw new Error(`not an error of ${path}: ${JSON.stringify(record)}`);
}

function sseRecords(text: string): Record<string, unknown>[] {
  if (text !== '' && !text.endsWith('\n\n')) throw new Error('an event has no end');
  return text
    .split('\n\n')
    .flatMap((block) => block.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => (line === 'data: [DONE]' ? { type: '[DONE]' } : (JSON.parse(line.slice(6)) as object)))
    .map((record) => record as Record<string, unknown>);
}

function lineRecords(text: string): Record<string, unknown>[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error('a line has no end');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const ofType =
  (...types: readonly string[]) =>
  ({ type }: Record<string, unknown>): boolean =>
    types.includes(String(type));

const sse = { contentType: /^text\/event-stream/, records: sseRecords };
const chunks: Format = { ...sse, isError: (record) => 'error' in record, isEnd: ofType('[DONE]') };
const responses: Format = {
  ...sse,
  isError: ofType('error'),
  isEnd: ofType('response.completed', 'response.incomplete'),
};
const messages: Format = { ...sse, isError: ofType('error'), isEnd: ofType('message_stop') };
const lines: Format = {
  contentType: /^application\/x-ndjson/,
  records: lineRecords,
  isError: (record) => 'error' in record,
  isEnd: ({ done }) => done === true,
};

const hi = { messages: [{ role: 'user', content: 'hi' }] };
const spoken = [
  { path: '/v1/chat/completions', body: hi, format: chunks },
  { path: '/v1/completions', body: { prompt: 'hi' }, format: chunks },
  { path: '/v1/responses', body: { input: 'hi' }, format: responses },
  { path: '/v1/messages', body: { ...hi, max_tokens: 100 }, format: messages },
  { path: '/api/chat', body: hi, format: lines },
  { path: '/api/generate', body: { prompt: 'hi' }, format: lines },
];
const native: Record<BackendKind, RegExp> = { ollama: /^\/api\//, openai: /^\/v1\/(chat\/)?completions$/ };

/** Every dialect in front of either kind of upstream. */
export const dialects: readonly Dialect[] = (['ollama', 'openai'] as const).flatMap((kind) =>
  spoken.map(({ path, body, format }) => {
    return { path, kind, passed: native[kind].test(path), body: { model: 'scripted-plain', ...body }, format };
  }),
);
