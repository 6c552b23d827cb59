import assert from 'node:assert/strict';
import type { UpstreamConfig, Upstreams } from '../../src/config/schema.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import type { FakeUpstream } from '../helpers/upstream.ts';

type Server = Pick<FakeUpstream, 'url'>;

const names = ['first', 'second', 'third'];

/** Configures servers as the upstreams `first`, `second` and `third`, in this order. */
export function upstreamsAt(servers: readonly Server[], settings: Partial<UpstreamConfig> = {}): Upstreams {
  const configs = servers.map(({ url }, index): UpstreamConfig => {
    return { name: names[index] ?? '', kind: 'ollama', url, ...settings };
  });
  return configs as unknown as Upstreams;
}

/** Configures two servers, of which the first has so much weight that it comes first for every conversation. */
export function preferFirst(servers: readonly [Server, Server], kind: UpstreamConfig['kind'] = 'ollama'): Upstreams {
  const [first, second] = upstreamsAt(servers, { kind });
  return [
    { ...first, weight: 100 },
    { ...(second ?? first), weight: 0.01 },
  ];
}

/** Settings with short pauses between attempts and without health checks in the background. */
export const fastRetries = { retries: { attempts: 3, base: '5ms' }, health: { interval: '0s' } };

/** Number of POST requests that a server received. */
export function postsTo({ requests }: FakeUpstream): number {
  return requests.filter(({ method }) => method === 'POST').length;
}

/** True while this upstream is ejected, which the metrics show. */
export async function isEjected(gateway: TestGateway, upstream: string): Promise<boolean> {
  return (await gateway.metric(`llamaduct_upstream_ejected{upstream="${upstream}"}`)) === 1;
}

/** Number of requests that wait in the queue of an upstream. */
export async function queueDepth(gateway: TestGateway, upstream: string): Promise<number> {
  return await gateway.metric(`llamaduct_queue_depth{upstream="${upstream}"}`);
}

/** Sends a chat, which must succeed, and returns the text of its response. */
export async function chatText(gateway: TestGateway, content: string, body: object = {}): Promise<string> {
  const response = await gateway.chat({ messages: [{ role: 'user', content }], ...body });
  assert.equal(response.status, 200, await response.clone().text());
  return await response.text();
}
