import { type TestGateway, testGateway, ending } from './gateway.ts';
import { type Answer, type FakeUpstream, fakeUpstream } from './upstream.ts';
import { until } from './wait.ts';

export interface Proxied extends AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly gateway: TestGateway;
  /** The parsed bodies of the chats that reached the upstream, without `truncate`, which llamaduct adds. */
  readonly asked: unknown[];
  /** Waits until the upstream has an open request. */
  reached(): Promise<void>;
  /** Waits until llamaduct has received some chunks of an answer of scripted-plain. */
  streaming(): Promise<void>;
  /**
   * Waits until the upstream request is aborted because the client disconnected.
   *
   * @returns the phase in which it disconnected, from the log
   */
  phaseLeft(): Promise<unknown>;
}

/** Milliseconds for an abort to reach the upstream and the log. */
const abortDeadline = 1_000;

/** Starts llamaduct in front of an Ollama that gives `answer` to everything but the model list. */
export async function proxied(
  answer: Answer,
  overrides: Parameters<typeof testGateway>[1] = {},
  models?: readonly string[],
): Promise<Proxied> {
  const upstream = await fakeUpstream(answer, models);
  // Requests are still open at the end of a test only when it has failed.
  const gateway = await testGateway(upstream, { timeouts: { grace: '100ms' }, ...overrides });
  return {
    upstream,
    gateway,
    get asked() {
      const chats = upstream.requests.filter(({ url }) => url === '/api/chat');
      return chats.map(({ body }): unknown => {
        const { truncate: _, ...sent } = JSON.parse(body) as Record<string, unknown>;
        return sent;
      });
    },
    reached: async () => await until('the upstream request', () => upstream.open === 1),
    async streaming() {
      const gaps = 'llamaduct_inter_chunk_seconds_count{model="scripted-plain:latest",upstream="ollama"}';
      await until('chunks of an answer', async () => (await gateway.metric(gaps)) > 0);
    },
    async phaseLeft() {
      await until('the end of the upstream request', () => upstream.open === 0, abortDeadline);
      let line: Record<string, unknown> | undefined;
      const logged = (): boolean => {
        line = gateway.log.find(({ outcome }) => outcome === 'client_closed');
        return line !== undefined;
      };
      await until('the log line', logged, abortDeadline);
      return line?.['phase'];
    },
    ...ending(gateway, upstream),
  };
}
