import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../helpers/wait.ts';
import { type Results, client } from './clients.ts';
import type { ResourceUsage } from './probe.ts';
import { Random } from './random.ts';
import { type Service, keys, startService } from './service.ts';
import { soakServers } from './servers.ts';
import { type Kind, type SoakUpstream, soakUpstream } from './upstream.ts';

// Runs minutes of mixed traffic with faulty upstreams and clients that leave. Afterwards no request, socket, timer or
// memory of it may be left.

const seconds = Number(process.env['LLAMADUCT_SOAK_SECONDS'] ?? 600);
const seed = Number(process.env['LLAMADUCT_SOAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const clients = 24;
const faultShare = 0.3;
/** Milliseconds for running requests to end and idle connections to be closed. */
const settleDeadline = 30_000;
/** Milliseconds after which an idle connection to the upstream is closed. */
const keepAlive = 6_000;
/** Seconds after which everything that grows once has grown: compiled code, pools, the cache of the database. */
const warmUp = Math.max(0.3 * seconds, Math.min(60, 0.5 * seconds));

/** Seconds of traffic in front of servers that fail in turns, after the rest. */
const maxServerSeconds = 120;

/** One llamaduct under test and its upstream. */
interface Target {
  readonly kind: Kind;
  readonly service: Service;
  readonly upstream: SoakUpstream;
}

const outcomes: boolean[] = [];

/** Prints and records the outcome of one assertion. */
function report(passed: boolean, assertion: string, details = ''): void {
  outcomes.push(passed);
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${assertion}${details === '' ? '' : `: ${details}`}`);
}

async function traffic(
  { kind, service }: Target,
  milliseconds: number,
  round: number,
  results: Results,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const end = performance.now() + milliseconds;
  await Promise.all(
    Array.from({ length: clients }, async (_, number) => {
      const random = new Random(seed + 1000 * round + number + (kind === 'openai' ? 500 : 0));
      await client(service.url, { agent, key: keys[number % keys.length] ?? '', random }, end, results);
    }),
  );
  agent.destroy();
}

/** Waits until no request runs and idle connections are closed. @param sockets number that may be left @returns success */
async function settled({ service }: Target, sockets: number): Promise<boolean> {
  const isIdle = async (): Promise<boolean> => {
    await sleep(200);
    // The scrape itself is in flight, too.
    return service.sockets() <= sockets && (await service.metric('llamaduct_in_flight')) === 1;
  };
  return await until('llamaduct to be idle', isIdle, settleDeadline).then(
    () => true,
    () => false,
  );
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function describeMemory({ heap, rss, external }: ResourceUsage): string {
  return `RSS ${mebibytes(rss)}, heap ${mebibytes(heap)}, external ${mebibytes(external)}`;
}

/** @returns the smaller of two measurements: V8 returns pages to the system at its own pace */
async function leastUsage(service: Service): Promise<ResourceUsage> {
  const first = await service.resourceUsage();
  await sleep(1_000);
  const second = await service.resourceUsage();
  return first.rss < second.rss ? first : second;
}

async function soak(target: Target): Promise<void> {
  const { kind, service, upstream } = target;
  const results: Results = { statuses: {}, left: 0, failures: [] };
  // Until the connection of the first model list is closed.
  await sleep(keepAlive);
  const base = service.sockets();
  const resources = (await service.resourceUsage()).resources;
  await traffic(target, 1000 * warmUp, 0, results);
  report(
    await settled(target, base),
    `${kind}: all requests ended after the warm-up`,
    `${service.sockets()} sockets, ${base} at the start`,
  );
  const warm = await leastUsage(service);
  await traffic(target, 1000 * (seconds - warmUp), 1, results);
  const isSettled = await settled(target, base);
  report(isSettled, `${kind}: all requests ended`, `${service.sockets()} sockets, ${base} at the start`);
  const after = await leastUsage(service);

  const requests = Object.values(results.statuses).reduce((sum, count) => sum + count, 0);
  console.log(`     ${kind}: ${requests} responses ${JSON.stringify(results.statuses)}, ${results.left} clients left`);
  console.log(`     ${kind}: upstream ${JSON.stringify(upstream.faults)}`);
  console.log(`     ${kind}: warm ${describeMemory(warm)}; after ${describeMemory(after)}`);
  for (const [name, expected] of [
    ['llamaduct_in_flight', 1],
    ['llamaduct_queue_depth', 0],
    ['llamaduct_upstream_in_flight', 0],
  ] as const) {
    const value = await service.metric(name);
    report(value === expected, `${kind}: ${name} is ${expected}`, String(value));
  }
  report(upstream.open === 0, `${kind}: no request runs in the upstream`, String(upstream.open));
  for (const [name, count] of Object.entries({ Timeout: 0, ...after.resources })) {
    const before = resources[name] ?? 0;
    report(
      count <= before,
      `${kind}: no more resources of kind ${name} than at the start`,
      `${count}, ${before} at the start`,
    );
  }
  const growth = after.rss / warm.rss - 1;
  report(growth <= 0.1, `${kind}: RSS within 10 % of that after the warm-up`, `${(growth * 100).toFixed(1)} %`);
  report(
    results.failures.length === 0,
    `${kind}: no client received an internal error`,
    results.failures.slice(0, 5).join('\n'),
  );
  report((results.statuses['200'] ?? 0) > requests / 4, `${kind}: at least a quarter of the responses have status 200`);
  upstream.heal();
  const code = await service.stop();
  report(code === 0, `${kind}: it stops at SIGTERM`, `exit code ${code}`);
  const logged = service
    .log()
    .split('\n')
    .filter((line) => /internal_error|nhandled|Warning|Uncaught|"level":"(error|fatal)"/.test(line));
  report(logged.length === 0, `${kind}: no internal error or warning in the log`, logged.slice(0, 5).join('\n'));
}

async function main(): Promise<void> {
  console.log(`LLAMADUCT_SOAK_SEED=${seed} LLAMADUCT_SOAK_SECONDS=${seconds}`);
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-soak-'));
  const started: Target[] = [];
  try {
    for (const kind of ['ollama', 'openai'] as const) {
      const upstream = await soakUpstream(kind, new Random(seed + (kind === 'openai' ? 7 : 3)), faultShare);
      const faulty = { name: 'faulty', kind, url: upstream.url, parallel: 16 };
      started.push({ kind, upstream, service: await startService(kind, [faulty], folder) });
    }
    await Promise.all(started.map(soak));
    await soakServers(Math.min(seconds, maxServerSeconds), new Random(seed), folder, report);
  } catch (error) {
    report(false, 'the soak test ran to its end', error instanceof Error ? error.stack : String(error));
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
