import type { Backend } from '../../src/chat/backend.ts';
import type { TextStore } from '../../src/chat/protocol.ts';
import { clientProtocols } from '../../src/protocols/index.ts';
import { ollama } from '../../src/upstreams/ollama/index.ts';
import { openai } from '../../src/upstreams/openai/index.ts';

const store: TextStore = {
  get: async () => await Promise.resolve(undefined),
  put: async () => await Promise.resolve(),
  delete: async () => await Promise.resolve(false),
  append: async () => await Promise.resolve('absent'),
};

/** Every endpoint of clients. */
export const { generation, embeddings } = clientProtocols({ reasoning_field: 'both' }, store);

/** Both kinds of server. */
export const backends: readonly (readonly [kind: string, backend: Backend])[] = [
  ['ollama', ollama],
  ['openai', openai],
];

export const hi = [{ role: 'user', content: 'hi' }];

/** A request that can be read, for each endpoint that generates with OpenAI's or Anthropic's fields. */
export const generates: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { model: 'm', messages: hi },
  '/v1/completions': { model: 'm', prompt: 'a' },
  '/v1/responses': { model: 'm', input: 'hi' },
  '/v1/messages': { model: 'm', messages: hi, max_tokens: 9 },
};

/**
 * Servers with OpenAI's API get `chat_template_kwargs` unchanged beside its canonical form, which is not compared.
 *
 * @returns the bodies that both kinds of server get for a request, and the fields that are named whatever the server
 */
export async function upstreamBodies(
  path: string,
  body: object,
): Promise<{
  readonly bodies: Readonly<Record<string, Record<string, unknown>>>;
  readonly dropped: readonly string[];
}> {
  const protocol = generation.find((one) => one.path === path);
  if (protocol === undefined) throw new Error(`There is no ${path}.`);
  const { requests, dropped } = await protocol.read(structuredClone(body), '');
  const bodies = backends.map(([kind, backend]) => [
    kind,
    JSON.parse(JSON.stringify({ ...backend.generation(requests[0]).body, chat_template_kwargs: undefined })) as Record<
      string,
      unknown
    >,
  ]);
  return { bodies: Object.fromEntries(bodies) as Record<string, Record<string, unknown>>, dropped };
}
