import { once } from 'node:events';
import { type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';
import { type Service, keys, startService } from './service.ts';

// Four equal servers. In turns one of them fails at once, one hangs and one is killed, each while it lists its models as long as it
// can; the fourth always works. Clients must hardly notice, and every server must be used again once it works.

const clients = 8;
/** Share of the requests that must be answered. */
const goal = 0.97;
/** Milliseconds for which a server does not work, and until all work again. */
const outage = 3_000;

type Mode = 'works' | 'fails' | 'hangs' | 'gone';
const outages = ['fails', 'hangs', 'gone'] as const;

interface Server {
  readonly url: string;
  /** Answered requests. */
  answered: number;
  set(mode: Mode): Promise<void>;
}

const list = { models: [{ name: 'red:latest', model: 'red:latest', modified_at: '2026-11-21T03:56:00Z' }] };

async function startServer(): Promise<Server> {
  let mode: Mode = 'works';
  const server = createServer((req, res) => {
    req.on('error', () => undefined).resume();
    res.on('error', () => undefined);
    req.on('end', () => {
      if (req.method === 'GET') res.end(JSON.stringify(list));
      else if (mode === 'fails') res.writeHead(500).end('{"error":"llama runner process has terminated: CUDA error"}');
      else if (mode === 'works') {
        started.answered += 1;
        answer(res);
      }
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const started: Server = {
    url: `http://127.0.0.1:${port}`,
    answered: 0,
    async set(next) {
      mode = next;
      if (next === 'gone') {
        server.close();
        server.closeAllConnections();
      } else if (!server.listening) await once(server.listen(port, '127.0.0.1'), 'listening');
      // Whoever still waits gets no answer any more.
      else if (next === 'works') server.closeAllConnections();
    },
  };
  return started;
}

function answer(res: ServerResponse): void {
  const line = (content: string, rest: object): string =>
    `${JSON.stringify({ model: 'red', message: { role: 'assistant', content }, done: false, ...rest })}\n`;
  const last = { done: true, done_reason: 'stop', total_duration: 1, prompt_eval_count: 3, eval_count: 2 };
  res.writeHead(200, { 'content-type': 'application/x-ndjson' });
  res.write(line('Hello', {}));
  setTimeout(() => res.end(line('', last)), 10);
}

interface Tally {
  sent: number;
  answered: number;
  readonly failures: string[];
}

/** Sends chats one after the other until `end`, in milliseconds of `performance.now()`. */
async function client(url: string, key: string, random: Random, end: number, tally: Tally): Promise<void> {
  while (performance.now() < end) {
    const content = `conversation ${random.below(1_000_000)}`;
    const body = { model: 'red', messages: [{ role: 'user', content }], stream: random.chance(0.5) };
    const headers = { authorization: `Bearer ${key}` };
    tally.sent += 1;
    try {
      const init = { method: 'POST', body: JSON.stringify(body), headers, signal: AbortSignal.timeout(20_000) };
      const response = await fetch(`${url}/v1/chat/completions`, init);
      const text = await response.text();
      if (response.status === 200 && !text.includes('"error"')) tally.answered += 1;
      else tally.failures.push(`${response.status} ${text.slice(0, 200)}`);
    } catch (error) {
      tally.failures.push(String(error));
    }
    await sleep(random.below(10));
  }
}

/** Lets the servers fail one after the other until `end`. @returns those that were not used again in time */
async function breakServers(servers: readonly Server[], end: number): Promise<string[]> {
  const unused: string[] = [];
  for (let round = 0; performance.now() + 3 * outage < end; round += 1) {
    const mode = outages[round % outages.length] ?? 'fails';
    const server = servers[round % (servers.length - 1)];
    await server?.set(mode);
    await sleep(outage);
    await server?.set('works');
    const before = server?.answered ?? 0;
    await sleep(2 * outage);
    if (server?.answered === before) unused.push(`after it ${mode}`);
  }
  return unused;
}

/**
 * Runs traffic in front of servers that fail in turns.
 *
 * @param report prints and records the outcome of one assertion
 */
export async function soakServers(
  seconds: number,
  random: Random,
  folder: string,
  report: (passed: boolean, assertion: string, details?: string) => void,
): Promise<void> {
  const servers = [await startServer(), await startServer(), await startServer(), await startServer()];
  const service: Service = await startService(
    'servers',
    servers.map(({ url }, index) => ({ name: `server${index}`, url, parallel: 4 })),
    folder,
    { timeouts: { first_token: '500ms', grace: '5s' }, health: { interval: '1s', failures: 3 } },
  );
  try {
    const tally: Tally = { sent: 0, answered: 0, failures: [] };
    const end = performance.now() + 1000 * seconds;
    const [unused] = await Promise.all([
      breakServers(servers, end),
      ...Array.from({ length: clients }, async (_, index) => {
        await client(service.url, keys[index % keys.length] ?? '', random, end, tally);
      }),
    ]);
    const share = tally.answered / tally.sent;
    report(
      share >= goal,
      `servers: at least ${100 * goal} % of the requests are answered`,
      `${(100 * share).toFixed(1)} % of ${tally.sent}; answered by each: ${servers.map(({ answered }) => answered).join(', ')}` +
        tally.failures
          .slice(0, 3)
          .map((failure) => `\n     ${failure}`)
          .join(''),
    );
    report(unused.length === 0, 'servers: each is used again once it works', unused.join(', '));
    for (const name of ['llamaduct_queue_depth', 'llamaduct_upstream_in_flight']) {
      const value = await service.metric(name);
      report(value === 0, `servers: ${name} is 0`, String(value));
    }
    const code = await service.stop();
    report(code === 0, 'servers: it stops at SIGTERM', `exit code ${code}`);
  } finally {
    service.kill();
    for (const server of servers) await server.set('gone');
  }
}
