import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../helpers/wait.ts';
import { type Seen, client } from './clients.ts';
import type { Held } from './probe.ts';
import { Random } from './random.ts';
import { type Service, keys, startService } from './service.ts';
import { type Faulty, type Kind, faultyUpstream } from './upstream.ts';

// Minutes of mixed traffic in front of upstreams that fail and clients that leave; then nothing of it may be left.

const seconds = Number(process.env['LLAMADUCT_SOAK_SECONDS'] ?? 600);
const seed = Number(process.env['LLAMADUCT_SOAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const clients = 24;
const faultShare = 0.3;
/** Milliseconds for what is under way to end, and for kept connections to be given up. */
const settling = 30_000;
/** Milliseconds for which a connection to the upstream is kept that nobody uses. */
const keptFor = 6_000;
/** Seconds in which what grows once has grown: code, pools, the cache of the database. */
const warmUp = Math.max(0.3 * seconds, Math.min(60, 0.5 * seconds));

interface Soaked {
  readonly kind: Kind;
  readonly service: Service;
  readonly upstream: Faulty;
}

const outcomes: boolean[] = [];

function report(passed: boolean, what: string, more = ''): void {
  outcomes.push(passed);
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${what}${more === '' ? '' : `: ${more}`}`);
}

async function traffic({ kind, service }: Soaked, milliseconds: number, round: number, seen: Seen): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const end = performance.now() + milliseconds;
  await Promise.all(
    Array.from({ length: clients }, async (_, number) => {
      const random = new Random(seed + 1000 * round + number + (kind === 'openai' ? 500 : 0));
      await client(service.url, { agent, key: keys[number % keys.length] ?? '', random }, end, seen);
    }),
  );
  agent.destroy();
}

/** Waits until nothing is under way and connections are given up. @param sockets that may be left */
async function settled({ service }: Soaked, sockets: number): Promise<boolean> {
  const calm = async (): Promise<boolean> => {
    await sleep(200);
    // The question itself is under way, too.
    return service.sockets() <= sockets && (await service.metric('llamaduct_in_flight')) === 1;
  };
  return await until('calm', calm, settling).then(
    () => true,
    () => false,
  );
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function shown({ heap, rss, external }: Held): string {
  return `RSS ${mebibytes(rss)}, heap ${mebibytes(heap)}, external ${mebibytes(external)}`;
}

/** Two looks, and the smaller counts: V8 gives pages back when it likes. */
async function leastHeld(service: Service): Promise<Held> {
  const first = await service.held();
  await sleep(1_000);
  const second = await service.held();
  return first.rss < second.rss ? first : second;
}

async function soak(soaked: Soaked): Promise<void> {
  const { kind, service, upstream } = soaked;
  const seen: Seen = { statuses: {}, left: 0, wrong: [] };
  // The connection on which it asked for the upstream's models is not kept for longer.
  await sleep(keptFor);
  const base = service.sockets();
  const resources = (await service.held()).resources;
  await traffic(soaked, 1000 * warmUp, 0, seen);
  report(
    await settled(soaked, base),
    `${kind}: all had ended after the warm-up`,
    `${service.sockets()} sockets, ${base} at the start`,
  );
  const warm = await leastHeld(service);
  await traffic(soaked, 1000 * (seconds - warmUp), 1, seen);
  const calm = await settled(soaked, base);
  report(calm, `${kind}: all has ended`, `${service.sockets()} sockets, ${base} at the start`);
  const after = await leastHeld(service);

  const requests = Object.values(seen.statuses).reduce((sum, count) => sum + count, 0);
  console.log(`     ${kind}: ${requests} answers ${JSON.stringify(seen.statuses)}, ${seen.left} clients left`);
  console.log(`     ${kind}: upstream ${JSON.stringify(upstream.faults)}`);
  console.log(`     ${kind}: warm ${shown(warm)}; after ${shown(after)}`);
  for (const [name, expected] of [
    ['llamaduct_in_flight', 1],
    ['llamaduct_queue_depth', 0],
    ['llamaduct_upstream_in_flight', 0],
  ] as const) {
    const value = await service.metric(name);
    report(value === expected, `${kind}: ${name} is ${expected}`, String(value));
  }
  report(upstream.open === 0, `${kind}: the upstream has nothing under way`, String(upstream.open));
  for (const [name, count] of Object.entries({ Timeout: 0, ...after.resources })) {
    const before = resources[name] ?? 0;
    report(count <= before, `${kind}: no more of ${name} than at the start`, `${count}, ${before} at the start`);
  }
  const growth = after.rss / warm.rss - 1;
  report(growth <= 0.1, `${kind}: RSS within 10 % of that after the warm-up`, `${(growth * 100).toFixed(1)} %`);
  report(seen.wrong.length === 0, `${kind}: no client saw a fault of ours`, seen.wrong.slice(0, 5).join('\n'));
  report((seen.statuses['200'] ?? 0) > requests / 4, `${kind}: a quarter and more was answered`);
  upstream.heal();
  const code = await service.stop();
  report(code === 0, `${kind}: it stops by itself`, `exit code ${code}`);
  const faults = service
    .log()
    .split('\n')
    .filter((line) => /internal_error|nhandled|Warning|Uncaught|"level":(50|60)/.test(line));
  report(faults.length === 0, `${kind}: nothing of ours in the log`, faults.slice(0, 5).join('\n'));
}

async function main(): Promise<void> {
  console.log(`LLAMADUCT_SOAK_SEED=${seed} LLAMADUCT_SOAK_SECONDS=${seconds}`);
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-soak-'));
  const started: Soaked[] = [];
  try {
    for (const kind of ['ollama', 'openai'] as const) {
      const upstream = await faultyUpstream(kind, new Random(seed + (kind === 'openai' ? 7 : 3)), faultShare);
      started.push({ kind, upstream, service: await startService(kind, upstream.url, folder) });
    }
    await Promise.all(started.map(soak));
  } catch (error) {
    report(false, 'the soak came to its end', error instanceof Error ? error.stack : String(error));
  } finally {
    for (const { service, upstream } of started) {
      service.kill();
      await upstream.close();
    }
    rmSync(folder, { recursive: true });
  }
  const failed = outcomes.filter((passed) => !passed).length;
  console.log(`${outcomes.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
