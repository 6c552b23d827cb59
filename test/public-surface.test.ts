import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { parseCommand } from '../src/cli/args.ts';
import { type Upstreams, configSchema } from '../src/config/schema.ts';
import { hashSecret } from '../src/config/secret.ts';
import { Metrics } from '../src/telemetry/metrics.ts';
import { startLlamaduct } from './cli/run.ts';
import { secret, testGateway } from './helpers/gateway.ts';
import { plainAnswer } from './helpers/ollama-answers.ts';
import { fakeUpstream } from './helpers/upstream.ts';
import { until } from './helpers/wait.ts';

// The names that users write or read, against the list of them in public-surface.json: a rename breaks what they have.

const src = join(import.meta.dirname, '../src');
const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.[jt]s$/.test(name))
  .map((name) => readFileSync(join(src, name), 'utf8'));

/** `node --test --test-update-snapshots test/public-surface.test.ts` writes the list anew, for a change that is meant. */
test('the public names are those in test/public-surface.json', async (t) => {
  const { headers, metrics } = await exchange();
  const surface = {
    commands: await commands(),
    environment: names(/\bLLAMADUCT_[A-Z_]+\b|\bOLLAMA_(?:HOST|NUM_PARALLEL)\b/g),
    configuration: [...new Set(settings(z.toJSONSchema(configSchema, { io: 'input' }), ''))].toSorted(),
    headers: [...new Set([...names(/\bx-llamaduct-[a-z-]+\b/g), ...headers])].toSorted(),
    metrics: metricNames(metrics),
    errors: errors(),
    routes: {
      ollama: await routes([ollama]),
      openai: await routes([openai]),
      both: await routes([ollama, openai]),
    },
  };
  const file = join(import.meta.dirname, 'public-surface.json');
  t.assert.fileSnapshot(`${JSON.stringify(surface, null, 2)}\n`, file, { serializers: [String] });
});

function names(pattern: RegExp): string[] {
  return [...new Set(sources.flatMap((text) => text.match(pattern) ?? []))].toSorted();
}

/** Of the words and flags in the help text, the commands that the command line takes, each with its flags. */
async function commands(): Promise<Record<string, readonly string[]>> {
  const { stdout } = await startLlamaduct(['--help']).ended;
  const words = [...new Set(stdout.match(/(?<![-\w])[a-z]+\b/g))];
  const flags = [...new Set(stdout.match(/(?<![-\w])--?[a-z]+\b/g))];
  const general = flags.filter((flag) => ['help', 'version'].includes(parse(flag) ?? ''));
  const taken = [...words.map((word) => [word]), ...words.flatMap((word) => words.map((next) => [word, next]))].filter(
    (command) => [[], ['NAME']].some((more) => parse(...command, ...more) === command.join(' ')),
  );
  return sorted([
    ['llamaduct', [...general, ...flagsOf([], flags)].toSorted()],
    ...taken.map((command): [string, string[]] => [command.join(' '), flagsOf(command, flags)]),
  ]);
}

/** The flags that change what a command does; `--help` and `--version` are commands themselves. */
function flagsOf(command: readonly string[], flags: readonly string[]): string[] {
  const accepted = flags.filter((flag) => {
    const parsed = [[flag, 'value'], [flag], ['NAME', flag, 'value']].map((more) => parse(...command, ...more));
    return parsed.some((name) => name !== undefined && !['help', 'version'].includes(name));
  });
  return accepted.toSorted();
}

/** @returns the name of the command; undefined when it is not taken */
function parse(...argv: readonly string[]): string | undefined {
  try {
    return parseCommand(argv).name;
  } catch {
    return undefined;
  }
}

/** The paths of all settings: `keys[].name`, and `groups.*.shared` where the user chooses a name. */
function settings(schema: z.core.JSONSchema._JSONSchema, path: string): string[] {
  if (typeof schema === 'boolean') return [];
  const { properties = {}, additionalProperties, items, anyOf = [], oneOf = [], allOf = [] } = schema;
  const values = schema.enum ?? (schema.const === undefined ? [] : [schema.const]);
  return [
    ...values.map((value) => `${path}: ${String(value)}`),
    ...Object.entries(properties).flatMap(([name, inner]) => {
      const key = path === '' ? name : `${path}.${name}`;
      return [key, ...settings(inner, key)];
    }),
    ...(additionalProperties === undefined ? [] : settings(additionalProperties, `${path}.*`)),
    ...[items ?? []].flat().flatMap((inner) => settings(inner, `${path}[]`)),
    ...[...anyOf, ...oneOf, ...allOf].flatMap((inner) => settings(inner, path)),
  ];
}

interface Exchange {
  /** The headers of the answer that begin with `x-`. */
  readonly headers: readonly string[];
  /** The text of /metrics afterwards. */
  readonly metrics: string;
}

/** A streamed chat with everything there is to report in headers and metrics. */
async function exchange(): Promise<Exchange> {
  await using upstream = await fakeUpstream(plainAnswer());
  const budgets = { tokens_per_day: 1_000_000, tokens_per_month: 1_000_000 };
  const limits = { requests_per_minute: 10, tokens_per_minute: 1_000_000, ...budgets };
  const scopes = ['inference', 'metrics'];
  await using gateway = await testGateway(upstream, {
    upstream: { parallel: 1 },
    usage: { file: ':memory:' },
    keys: [{ name: 'tester', hash: hashSecret(secret), scopes, limits }],
  });
  const answer = await gateway.chat({ stream: true });
  await answer.text();
  const metrics = async (): Promise<string> => await (await gateway.fetch('/metrics')).text();
  await until('the end of the exchange', async () => (await metrics()).includes('llamaduct_requests_total{'));
  return {
    headers: [...answer.headers.keys()].filter((name) => name.startsWith('x-')),
    metrics: await metrics(),
  };
}

/** The type and the labels of each metric but those of Node and the process. */
function metricNames(exposition: string): Record<string, string> {
  const declared = new Map(new Metrics('1.0.0').registry.getMetricsAsArray().map((metric) => [metric.name, metric]));
  const types = exposition.matchAll(/^# TYPE (llamaduct_\w+) (\w+)$/gm);
  return sorted(
    Array.from(types, ([, name = '', type = '']): [string, string] => {
      const { labelNames } = declared.get(name) as { readonly labelNames?: readonly string[] };
      return [name, [type, ...(labelNames ?? labelsOf(exposition, name)).toSorted()].join(' ')];
    }),
  );
}

/** The labels of a histogram, which declares them as a type only. */
function labelsOf(exposition: string, name: string): string[] {
  const [, labels = ''] = new RegExp(`^${name}_count\\{(.*)\\}`, 'm').exec(exposition) ?? [];
  return Array.from(labels.matchAll(/(\w+)="/g), ([, label = '']) => label);
}

/** The status of each error code. */
function errors(): Record<string, number> {
  const text = readFileSync(join(src, 'errors.ts'), 'utf8');
  const codes = text.matchAll(/^ {2}([a-z_]+): (\d{3}),$/gm);
  return sorted(Array.from(codes, ([, code = '', status]): [string, number] => [code, Number(status)]));
}

const nowhere = 'http://127.0.0.1:1';
const ollama = { name: 'a', kind: 'ollama', url: nowhere } as const;
const openai = { name: 'b', kind: 'openai', url: `${nowhere}/v1` } as const;

/** Of the paths that are written anywhere in src, those that are served, with what a refused method says of the others. */
async function routes(upstreams: Upstreams): Promise<string[]> {
  await using gateway = await testGateway(upstreams);
  const written = names(/(?<=['"`])\/[a-zA-Z0-9_]+(?:\/[a-zA-Z0-9_:.+{}[\]-]+)*(?=['"`])/g);
  const paths = [...new Set(written.flatMap((path) => [path, `/v1${path}`]))];
  const found = await Promise.all(
    paths.map(async (path) => {
      const answer = await gateway.fetch(example(path), { method: 'PATCH' });
      await answer.text();
      const allowed = answer.headers.get('allow')?.split(', ') ?? [];
      // HEAD goes with GET.
      return allowed.filter((method) => method !== 'HEAD').map((method) => `${method} ${path}`);
    }),
  );
  return found.flat().toSorted();
}

/** A path that matches a pattern of Hono's. */
function example(pattern: string): string {
  return pattern.replace(/:\w+(?:\{.*\})?/, (parameter) =>
    parameter.includes('sha256') ? `sha256:${'0'.repeat(64)}` : 'x',
  );
}

function sorted<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
