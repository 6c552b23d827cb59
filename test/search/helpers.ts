import { type TestGateway, ending, testGateway } from '../helpers/gateway.ts';
import { type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { type Turn, searching, searxng, turns } from './origin.ts';
import type { Answer } from '../helpers/upstream.ts';

export const kinds = ['ollama', 'openai'] as const;
export type Kind = (typeof kinds)[number];

export interface Setup extends AsyncDisposable {
  readonly kind: Kind;
  readonly model: string;
  readonly upstream: FakeUpstream;
  readonly gateway: TestGateway;
  /** The search server. */
  readonly origin: FakeUpstream;
  /** The bodies of the requests to the model. */
  readonly asked: () => {
    messages: { role: string; content: string | null }[];
    tools?: { function: { name: string } }[];
  }[];
  /** Sends a POST, and returns the text of the answer. */
  readonly post: (path: string, body: object, init?: RequestInit) => Promise<{ response: Response; text: string }>;
}

interface Options {
  readonly kind?: Kind;
  /** Absent: the model's answers are `turns`. */
  readonly model?: Answer;
  readonly turns?: readonly Turn[];
  /** The answer of the search server. */
  readonly answer?: Answer;
  /** Settings of `web_search`; false for none. */
  readonly search?: object | false;
  readonly settings?: Record<string, unknown>;
}

/** Starts a model, a search server, and llamaduct in front of both. */
export async function start(options: Options = {}): Promise<Setup> {
  const { kind = 'ollama', search = {}, settings = {}, answer } = options;
  const origin = await searxng(...(answer === undefined ? [] : [answer]));
  const model = options.model ?? turns(kind, ...(options.turns ?? []));
  const upstream = await (kind === 'ollama' ? fakeUpstream(model) : openaiUpstream(model, ['scripted-plain']));
  const gateway = await testGateway([{ name: kind, kind, url: upstream.url }], {
    ...(search !== false && searching(origin, search)),
    timeouts: { grace: '100ms' },
    ...settings,
  });
  const both = ending(gateway, upstream);
  return {
    kind,
    model: 'scripted-plain',
    upstream,
    gateway,
    origin,
    asked: () =>
      upstream.requests
        .filter(({ method }) => method === 'POST')
        .map(({ body }) => JSON.parse(body) as ReturnType<Setup['asked']>[number]),
    async post(path, body, init = {}) {
      const response = await gateway.fetch(path, {
        method: 'POST',
        body: JSON.stringify({ model: 'scripted-plain', ...body }),
        ...init,
      });
      return { response, text: await response.text() };
    },
    async [Symbol.asyncDispose]() {
      await both[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

export const webSearch = { type: 'web_search_20250305', name: 'web_search' };
export const hello = [{ role: 'user', content: 'What is a llama?' }];
export const lookUp = { name: 'look_up', description: 'd', input_schema: { type: 'object', properties: {} } };
