import { Writable } from 'node:stream';
import { pino } from 'pino';
import { type Config, type UpstreamConfig, type Upstreams, configSchema } from '../../src/config/schema.ts';
import { type Gateway, startGateway } from '../../src/gateway.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { logFormat } from '../../src/telemetry/log-format.ts';
import type { FakeUpstream } from './upstream.ts';

/** The secret of the key `tester`, which has every scope. */
export const secret = 'ld-a-secret-for-tests';

export interface TestGateway extends Gateway, AsyncDisposable {
  /** Every log line so far. */
  readonly log: Record<string, unknown>[];
  /** Calls `fetch` with a path of the gateway and, unless `init` has an `authorization`, with the tester's key. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Requests a chat completion. The message is `hi` unless `body` has others. */
  chat(body?: object, init?: RequestInit): Promise<Response>;
  /** The value of one series of /metrics, with its labels as Prometheus writes them. 0 when the series is missing. */
  metric(series: string): Promise<number>;
}

/**
 * Starts llamaduct in this process, on a free port.
 *
 * @param upstream one Ollama, or the configuration of several upstreams
 * @param settings as in a configuration file, with `upstream` for one upstream's own settings. There are no retries unless
 *   they set some. With `portable`, responses are sent as web streams.
 */
export async function testGateway(
  upstream: Pick<FakeUpstream, 'url'> | Upstreams,
  settings: Record<string, unknown> & { readonly upstream?: Partial<UpstreamConfig>; readonly portable?: boolean } = {},
): Promise<TestGateway> {
  const {
    upstream: upstreamSettings,
    portable,
    ...rest
  } = { upstream: {}, portable: false, retries: { attempts: 1 }, ...settings };
  const { upstreams: _, ...file } = configSchema.parse({
    listen: '127.0.0.1:0',
    keys: [{ name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] }],
    ...rest,
  });
  const config: Config = { ...file, upstreams: upstreamsOf(upstream, upstreamSettings) };
  const log: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(line: Buffer, _encoding, done) {
      log.push(JSON.parse(line.toString('utf8')) as Record<string, unknown>);
      done();
    },
  });
  const gateway = await startGateway(config, pino({ level: 'debug', ...logFormat }, sink), portable);
  await gateway.models().catch(() => undefined);
  const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${secret}`);
    return await fetch(gateway.url + path, { ...init, headers });
  };
  let closed: Promise<void> | undefined;
  const close = async (reason?: string): Promise<void> => await (closed ??= gateway.close(reason));
  return {
    ...gateway,
    close,
    log,
    fetch: call,
    chat: async (body = {}, init = {}) =>
      await call('/v1/chat/completions', {
        method: 'POST',
        body: JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }], ...body }),
        ...init,
      }),
    async metric(series) {
      const text = await (await call('/metrics')).text();
      return Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.slice(series.length + 1) ?? 0,
      );
    },
    [Symbol.asyncDispose]: async () => await close(),
  };
}

function upstreamsOf(given: Pick<FakeUpstream, 'url'> | Upstreams, more: Partial<UpstreamConfig>): Upstreams {
  return 'url' in given ? [{ name: 'ollama', kind: 'ollama', url: given.url, ...more }] : given;
}

/** Closes a gateway, and then its upstream. In the other order the gateway would report an upstream failure. */
export function ending(gateway: AsyncDisposable, upstream: AsyncDisposable): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}
