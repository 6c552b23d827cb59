import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { readEnvironment } from '../src/config/env.ts';
import { configSchema } from '../src/config/schema.ts';
import { testGateway } from './helpers/gateway.ts';
import { fakeUpstream, plainAnswer } from './helpers/upstream.ts';

const read = (file: string): string => readFileSync(join(import.meta.dirname, '../deploy', file), 'utf8');

interface Mount {
  readonly source: string;
  readonly target: string;
}
interface Service {
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly networks: readonly string[];
  readonly configs: readonly Mount[];
  readonly volumes: readonly string[];
  readonly secrets: readonly Mount[];
  readonly stop_grace_period: string;
}
const compose = parse(read('compose.yaml')) as {
  readonly services: Readonly<Record<'ollama' | 'llamaduct' | 'prometheus', Service>>;
  readonly configs: Readonly<Record<string, { readonly file: string }>>;
  readonly secrets: Readonly<Record<string, { readonly environment: string }>>;
};
const { ollama, llamaduct, prometheus } = compose.services;

const scraping = parse(read('prometheus.yml')) as {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly [
    {
      readonly job_name: string;
      readonly basic_auth: { readonly password_file: string };
      readonly static_configs: readonly [{ readonly targets: readonly [string] }];
    },
  ];
};
const [job] = scraping.scrape_configs;
const [host, port] = job.static_configs[0].targets[0].split(':');

const alerts = parse(read('alerts.yml')) as {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
};

const dockerfile = read('Dockerfile').replaceAll('\\\n', '');
const runtime = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
const instruction = (name: string): string => new RegExp(`^${name} +(.*)$`, 'm').exec(runtime)?.[1] ?? '';

const unit = new Map(
  [...read('llamaduct.service').matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name as string, value as string]),
);
const { grace } = configSchema.parse({}).timeouts;

describe('deploy/Dockerfile', () => {
  test('its service is nobody special and gets the signals itself', () => {
    const [uid] = instruction('USER').split(':');
    assert.match(uid ?? '', /^[1-9]\d*$/);
    assert.deepEqual(JSON.parse(instruction('ENTRYPOINT')), ['node', '/app/dist/bin.js']);
  });

  test('nothing that it copies is ignored', () => {
    const allowed = new Set(
      read('Dockerfile.dockerignore')
        .split('\n')
        .filter((line) => line.startsWith('!'))
        .map((line) => line.slice(1)),
    );
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources = '']) =>
      sources.split(' '),
    );
    assert.deepEqual(new Set(copied.map((source) => source.replace('./', ''))), allowed);
  });

  test('its health check tells a running llamaduct from none', async () => {
    const [, command] = /CMD (\[.*\])$/.exec(instruction('HEALTHCHECK')) ?? [];
    const [, ...args] = JSON.parse(command ?? '') as string[];
    const exitCode = async (listen: string): Promise<unknown> => {
      const check = spawn(process.execPath, args, { env: { LLAMADUCT_LISTEN: listen }, stdio: 'ignore' });
      return (await once(check, 'exit'))[0];
    };
    await using upstream = await fakeUpstream(plainAnswer());
    const gateway = await testGateway(upstream);
    const listen = `0.0.0.0:${new URL(gateway.url).port}`;
    assert.equal(await exitCode(listen), 0);
    await gateway.close();
    assert.equal(await exitCode(listen), 1);
  });
});

describe('deploy/compose.yaml', () => {
  test('Ollama is reached through llamaduct only', () => {
    assert.equal(ollama.ports, undefined);
    assert.deepEqual(
      ollama.networks.filter((network) => prometheus.networks.includes(network)),
      [],
    );
    assert.equal(llamaduct.environment?.['LLAMADUCT_UPSTREAM'], 'http://ollama:11434');
  });

  test('one port runs from the image to Prometheus', () => {
    const listen = /LLAMADUCT_LISTEN=\S+:(\d+)/.exec(instruction('ENV'))?.[1];
    assert.equal(instruction('EXPOSE'), listen);
    assert.deepEqual(
      llamaduct.ports?.map((mapping) => mapping.split(':').at(-1)),
      [listen],
    );
    assert.deepEqual([host, port], ['llamaduct', listen]);
    assert.ok(llamaduct.networks.some((network) => prometheus.networks.includes(network)));
  });

  test('llamaduct reads every variable it is given, and the folder that is mounted', () => {
    assert.deepEqual(Object.keys(readEnvironment(llamaduct.environment)), Object.keys(llamaduct.environment ?? {}));
    const [config, state] = llamaduct.volumes.map((volume) => volume.split(':')[1]);
    assert.equal(config, dirname(llamaduct.environment?.['LLAMADUCT_CONFIG'] ?? ''));
    assert.ok(runtime.includes(`RUN install -d -o 1000 -g 1000 -m 700 ${state}\n`));
    assert.ok(read('llamaduct.example.yaml').includes(`#file: ${state}/`));
  });

  test('as many requests go to Ollama as it takes', () => {
    assert.ok(ollama.environment?.['OLLAMA_NUM_PARALLEL']);
    assert.equal(llamaduct.environment?.['OLLAMA_NUM_PARALLEL'], ollama.environment['OLLAMA_NUM_PARALLEL']);
  });

  test('Prometheus has its rules beside its configuration, and the token that llamaduct takes', () => {
    const mounted = prometheus.configs.map(({ source, target }) => [compose.configs[source]?.file, target]);
    const expected = ['prometheus.yml', ...scraping.rule_files].map((file) => [`./${file}`, `/etc/prometheus/${file}`]);
    assert.deepEqual(mounted, expected);

    const [secret] = prometheus.secrets;
    assert.equal(dirname(job.basic_auth.password_file), '/run/secrets');
    assert.equal(basename(job.basic_auth.password_file), secret?.source);
    assert.equal(compose.secrets[secret?.source ?? '']?.environment, 'LLAMADUCT_METRICS_TOKEN');
    assert.match(llamaduct.environment?.['LLAMADUCT_METRICS_TOKEN'] ?? '', /^\$\{LLAMADUCT_METRICS_TOKEN:\?/);
  });
});

test('answers may finish after SIGTERM before compose or systemd kills', () => {
  for (const patience of [llamaduct.stop_grace_period, unit.get('TimeoutStopSec')]) {
    assert.match(patience ?? '', /^\d+s$/);
    assert.ok(Number.parseInt(patience ?? '', 10) * 1000 > grace, `${patience} is not longer than ${grace} ms`);
  }
});

test('deploy/llamaduct.service reads the file that its head says to install, and may write where the example has usage', () => {
  const [, installed] = /^# install -D -m 644 llamaduct.yaml (\S+)$/m.exec(read('llamaduct.service')) ?? [];
  assert.ok(unit.get('Environment')?.split(' ').includes(`LLAMADUCT_CONFIG=${installed}`));
  assert.ok(read('llamaduct.example.yaml').includes(`#file: /var/lib/${unit.get('StateDirectory')}/`));
});

test('the alerts select series that llamaduct exposes', async () => {
  await using upstream = await fakeUpstream((res, { body }) => {
    if (body.includes('"broken"')) res.writeHead(500).end('{"error":"it broke"}');
    else void plainAnswer()(res, { method: 'POST', url: '/api/chat', headers: {}, body });
  });
  await using gateway = await testGateway(upstream, { upstream: { parallel: 1 } });
  await (await gateway.chat({ stream: true })).text();
  await (await gateway.chat({ model: 'broken' })).text();
  await (await fetch(`${gateway.url}/v1/models`)).text();
  const exposed = [...(await (await gateway.fetch('/metrics')).text()).matchAll(/^(\w+)(?:\{(.*)\})? /gm)].map(
    ([, name, labels = '']) => ({
      name,
      labels: new Map([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value])),
    }),
  );
  // Prometheus itself adds these two, and makes `up`.
  const added = new Set(['instance', 'job']);

  const rules = alerts.groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 0);
  for (const { alert, expr } of rules) {
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)]
      .flatMap(([, labels = '']) => labels.split(', '))
      .filter((label) => !added.has(label));
    const selectors = [...expr.matchAll(/\b(llamaduct_\w+|up)\b(?:\{([^}]*)\})?/g)];
    assert.ok(selectors.length > 0, alert);
    for (const [selector, name, matchers = ''] of selectors) {
      if (name === 'up') {
        assert.equal(matchers, `job="${job.job_name}"`);
        continue;
      }
      const selected = exposed.filter(
        (series) =>
          series.name === name &&
          [...matchers.matchAll(/(\w+)(=~?)"([^"]*)"/g)].every(([, label, , pattern]) =>
            new RegExp(`^(?:${pattern})$`).test(series.labels.get(label) ?? ''),
          ),
      );
      assert.ok(selected.length > 0, `${alert}: nothing is ${selector}`);
      for (const label of grouped)
        assert.ok(
          selected.every(({ labels }) => labels.has(label)),
          `${alert}: ${selector} has no label ${label}`,
        );
    }
  }
});
