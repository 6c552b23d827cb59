import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Agent, type Column, columns, type Place, type Task } from './agent.ts';
import { secret, trials } from './columns.ts';
import { type RunningGateway, startGateway } from './gateway.ts';
import { install } from './install.ts';
import { type ChatRequest, type Model, startModel } from './model.ts';
import { endAll, type Output, run } from './processes.ts';
import { applyRecipe, recipeOf } from './recipes.ts';
import { type Row, tableOf, writeTable } from './table.ts';

// Runs coding agents through llamaduct as docs/agents.md sets them up: `npm run agents`. Options: `--agent NAME` and `--column NAME`
// (both repeatable), `--jobs N` agents at a time, `--install` installs them only, `--write` writes the table into docs/agents.md,
// `--verbose` shows what failed agents printed. LLAMADUCT_AGENTS is the folder of the installed agents.

/** Milliseconds for one run of an agent, and for everything. */
const deadlines = { run: 150_000, all: 1_800_000 };

/** A PNG of one pixel. */
const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const { values: options } = parseArgs({
  options: {
    agent: { type: 'string', multiple: true, default: [] },
    column: { type: 'string', multiple: true, default: [...columns] },
    jobs: { type: 'string', default: '3' },
    install: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

/** The agents: each is a file of the folder `agents`. */
async function allAgents(): Promise<(Agent & { readonly id: string })[]> {
  const files = globSync(join(import.meta.dirname, 'agents', '*.ts')).toSorted();
  const modules = files.map(async (file) => ({
    ...((await import(file)) as { agent: Agent }).agent,
    id: basename(file, '.ts'),
  }));
  return await Promise.all(modules);
}

function makeProject(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'secret.txt'), `The secret word is ${secret}.\n`);
  writeFileSync(join(folder, 'one.txt'), 'FIRST\n');
  writeFileSync(join(folder, 'two.txt'), 'SECOND\n');
  writeFileSync(join(folder, 'dot.png'), Buffer.from(dot, 'base64'));
}

/** What every agent gets of the environment. Nobody listens on port 9: only loopback can be reached. */
function isolated(home: string): Record<string, string | undefined> {
  const loopback = '127.0.0.1,localhost';
  const proxy = 'http://127.0.0.1:9';
  const proxies = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: loopback, no_proxy: loopback };
  return { PATH: process.env['PATH'], HOME: home, TERM: 'dumb', LANG: 'C.UTF-8', NO_COLOR: '1', ...proxies };
}

/** One agent in front of a gateway and a model of its own. */
interface Bench {
  readonly agent: Agent;
  readonly model: Model;
  readonly gateway: RunningGateway;
  readonly installed: string;
  readonly folder: string;
}

/** A request in a line: its tools and the start of each message. */
function summaryOf({ tools = [], messages = [] }: ChatRequest): string {
  const texts = messages.map(({ role, content = '', images = [], tool_calls: calls = [] }) => {
    const called = calls.map((call) => ` calls ${call.function.name}`).join('');
    return `${role}${images.length > 0 ? ` +${images.length} images` : ''}${called}: ${JSON.stringify(content.slice(0, 100))}`;
  });
  return `  ${tools.length} tools; ${texts.join('; ')}`;
}

async function runColumn(bench: Bench, column: Column): Promise<void> {
  const { agent, model, gateway, installed } = bench;
  const folder = join(bench.folder, column.replaceAll(' ', '-'));
  const place: Place = { installed, home: join(folder, 'home'), work: join(folder, 'work') };
  mkdirSync(place.home, { recursive: true });
  makeProject(place.work);
  model.requests.splice(0);
  const { env, setup } = applyRecipe(recipeOf(agent.name), place.home, gateway);
  const start = async (
    file: string,
    args: readonly string[],
    more: Record<string, string | undefined> = {},
  ): Promise<Output> =>
    await run({
      file,
      args,
      cwd: place.work,
      env: { ...isolated(place.home), ...env, ...more },
      deadline: deadlines.run,
    });
  const idle: Task = { prompt: '', resume: false, image: undefined, impatient: false };
  agent.prepare?.(place, idle);
  for (const words of setup) {
    const { file, env: more = {} } = agent.command(place, idle);
    const { code, stdout, stderr } = await start(file, words.slice(1), more);
    if (code !== 0) throw new Error(`"${words.join(' ')}" fails: ${stdout}${stderr}`);
  }
  await trials[column]({
    agent,
    model,
    work: place.work,
    async run(wanted) {
      const task: Task = { ...idle, ...wanted };
      agent.prepare?.(place, task);
      const { file, args, env: more = {} } = agent.command(place, task);
      const output = await start(file, args, more);
      if (options.verbose)
        console.log(`${agent.name}, ${column}: exit ${output.code}\n${output.stdout}\n${output.stderr}`);
      if (options.verbose) console.log(model.requests.map(summaryOf).join('\n'));
      return output;
    },
  });
}

async function runAgent(agent: Agent, folder: string): Promise<Row> {
  const row = new Map<Column, boolean | undefined>();
  const installed = await install(agent.package);
  if (options.install) return row;
  mkdirSync(folder);
  const model = await startModel();
  const gateway = await startGateway(model.url, folder);
  for (const column of columns) {
    if (!options.column.includes(column) || agent.cannot?.[column] !== undefined) continue;
    const begun = performance.now();
    const fault = await runColumn({ agent, model, gateway, installed, folder }, column).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    row.set(column, fault === undefined);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(
      `${fault === undefined ? 'ok  ' : 'FAIL'} ${agent.name}, ${column} (${seconds} s)${fault === undefined ? '' : `: ${fault}`}`,
    );
  }
  await gateway.close();
  model.close();
  return row;
}

const known = await allAgents();
const chosen = known.filter(({ id }) => options.agent.length === 0 || options.agent.includes(id));
const unknown = options.agent.filter((id) => !known.some((agent) => agent.id === id));
if (unknown.length > 0) throw new Error(`no agent ${unknown.join()}; there are ${known.map(({ id }) => id).join()}`);

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-agents-'));
process.once('exit', () => {
  endAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
setTimeout(() => {
  console.log(`FAIL not everything was over after ${deadlines.all / 1000} s`);
  process.exit(1);
}, deadlines.all).unref();

const rows = new Map<string, Row>();
const queue = [...chosen];
const failures: string[] = [];
async function work(): Promise<void> {
  for (let agent = queue.shift(); agent !== undefined; agent = queue.shift()) {
    try {
      rows.set(agent.name, await runAgent(agent, join(folder, agent.id)));
    } catch (error) {
      failures.push(agent.name);
      console.log(`FAIL ${agent.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
await Promise.all(Array.from({ length: Math.max(1, Number(options.jobs)) }, work));

const date = new Date().toISOString().slice(0, 10);
const table = tableOf(
  chosen.map((agent) => ({ agent, row: rows.get(agent.name) ?? new Map() })),
  date,
);
const cells = [...rows.values()].flatMap((row) => [...row.values()]);
const passed = cells.filter((cell) => cell === true).length;
const failed = cells.length - passed + failures.length;
console.log(`\n${table}\n`);
if (options.write && chosen.length === known.length && options.column.length === columns.length) writeTable(table);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && (passed > 0 || options.install) ? 0 : 1;
