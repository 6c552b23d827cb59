import { type TestGateway, testGateway, ending } from './gateway.ts';
import { type Answer, type FakeUpstream, fakeUpstream } from './upstream.ts';
import { until } from './wait.ts';

export interface Proxied extends AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly gateway: TestGateway;
  /** The parsed bodies of the chats that reached the upstream, but for `truncate`: that is llamaduct's own to say. */
  readonly asked: unknown[];
  /** Waits until the upstream has a request to answer. */
  reached(): Promise<void>;
  /** Waits until llamaduct has received some pieces of an answer of scripted-plain. */
  streaming(): Promise<void>;
  /**
   * Waits until the upstream's answer is cut off because the client left.
   *
   * @returns the phase in which the log says it left
   */
  phaseLeft(): Promise<unknown>;
}

/** Milliseconds for an abort to pass through. */
const abortDeadline = 1_000;

/** llamaduct in front of an upstream that gives `answer` to everything but its model list. */
export async function proxied(
  answer: Answer,
  overrides: Parameters<typeof testGateway>[1] = {},
  models?: readonly string[],
): Promise<Proxied> {
  const upstream = await fakeUpstream(answer, models);
  // Only a test that failed has anything to wait for at its end.
  const gateway = await testGateway(upstream, { timeouts: { grace: '100ms' }, ...overrides });
  return {
    upstream,
    gateway,
    get asked() {
      const chats = upstream.requests.filter(({ url }) => url === '/api/chat');
      return chats.map(({ body }): unknown => {
        const { truncate: _, ...asked } = JSON.parse(body) as Record<string, unknown>;
        return asked;
      });
    },
    reached: async () => await until('the upstream to be asked', () => upstream.open === 1),
    async streaming() {
      const gaps = 'llamaduct_inter_chunk_seconds_count{model="scripted-plain:latest",upstream="ollama"}';
      await until('pieces of an answer', async () => (await gateway.metric(gaps)) > 0);
    },
    async phaseLeft() {
      await until('the upstream to be left', () => upstream.open === 0, abortDeadline);
      let line: Record<string, unknown> | undefined;
      const logged = (): boolean => {
        line = gateway.log.find(({ outcome }) => outcome === 'client_closed');
        return line !== undefined;
      };
      await until('the log to tell of it', logged, abortDeadline);
      return line?.['phase'];
    },
    ...ending(gateway, upstream),
  };
}
