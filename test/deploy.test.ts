import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { readEnvironment } from '../src/config/env.ts';
import { parseConfig } from '../src/config/file.ts';
import { configSchema } from '../src/config/schema.ts';
import { testGateway } from './helpers/gateway.ts';
import { plainAnswer } from './helpers/ollama-answers.ts';
import { fakeUpstream } from './helpers/upstream.ts';

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
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}
interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}
interface ServiceSpec {
  readonly spec: { readonly selector: object; readonly ports: readonly [{ readonly targetPort: string }] };
}
interface Deployment {
  readonly spec: {
    readonly replicas: number;
    readonly strategy: { readonly type: string };
    readonly selector: { readonly matchLabels: object };
    readonly template: {
      readonly metadata: { readonly labels: object };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: Readonly<Record<string, unknown>>;
        readonly containers: readonly [
          {
            readonly env: readonly { readonly name: string; readonly value?: string }[];
            readonly ports: readonly [{ readonly name: string; readonly containerPort: number }];
            readonly volumeMounts: readonly {
              readonly name: string;
              readonly mountPath: string;
              readonly subPath?: string;
            }[];
            readonly livenessProbe: Probe;
            readonly readinessProbe: Probe;
            readonly lifecycle?: object;
          },
        ];
        readonly volumes: readonly {
          readonly name: string;
          readonly configMap?: { readonly name: string };
          readonly persistentVolumeClaim?: { readonly claimName: string };
        }[];
      };
    };
  };
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
const { drain, grace } = configSchema.parse({}).timeouts;

describe('deploy/Dockerfile', () => {
  test('the process runs without root and receives signals itself', () => {
    const [uid] = instruction('USER').split(':');
    assert.match(uid ?? '', /^[1-9]\d*$/);
    assert.deepEqual(JSON.parse(instruction('ENTRYPOINT')), ['node', '--max-semi-space-size=16', '/app/dist/bin.js']);
  });

  test('Dockerfile.dockerignore allows exactly what COPY needs', () => {
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

  test('HEALTHCHECK succeeds while llamaduct runs and fails otherwise', async () => {
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
  test('Ollama can be reached only through llamaduct', () => {
    assert.equal(ollama.ports, undefined);
    assert.deepEqual(
      ollama.networks.filter((network) => prometheus.networks.includes(network)),
      [],
    );
    assert.equal(llamaduct.environment?.['LLAMADUCT_UPSTREAM'], 'http://ollama:11434');
  });

  test('the image, the published port and Prometheus use the same port', () => {
    const listen = /LLAMADUCT_LISTEN=\S+:(\d+)/.exec(instruction('ENV'))?.[1];
    assert.equal(instruction('EXPOSE'), listen);
    assert.deepEqual(
      llamaduct.ports?.map((mapping) => mapping.split(':').at(-1)),
      [listen],
    );
    assert.deepEqual([host, port], ['llamaduct', listen]);
    assert.ok(llamaduct.networks.some((network) => prometheus.networks.includes(network)));
  });

  test('llamaduct reads every variable that is set and both folders that are mounted', () => {
    assert.deepEqual(Object.keys(readEnvironment(llamaduct.environment)), Object.keys(llamaduct.environment ?? {}));
    const [config, state] = llamaduct.volumes.map((volume) => volume.split(':')[1]);
    assert.equal(config, dirname(llamaduct.environment?.['LLAMADUCT_CONFIG'] ?? ''));
    assert.ok(runtime.includes(`RUN install -d -o 1000 -g 1000 -m 700 ${state}\n`));
    assert.ok(read('llamaduct.example.yaml').includes(`#file: ${state}/`));
  });

  test('llamaduct and Ollama get the same OLLAMA_NUM_PARALLEL', () => {
    assert.ok(ollama.environment?.['OLLAMA_NUM_PARALLEL']);
    assert.equal(llamaduct.environment?.['OLLAMA_NUM_PARALLEL'], ollama.environment['OLLAMA_NUM_PARALLEL']);
  });

  test('Prometheus gets its rules, its configuration and the token that llamaduct accepts', () => {
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

describe('deploy/kubernetes.yaml', () => {
  const documents = parseAllDocuments(read('kubernetes.yaml')).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as Resource;
  });
  const resource = (kind: string): Resource => documents.find((document) => document.kind === kind) as Resource;
  const { data } = resource('ConfigMap') as Resource & { data: Record<string, string> };
  const { spec } = resource('Deployment') as Resource & Deployment;
  const pod = spec.template.spec;
  const [container] = pod.containers;
  const environment = Object.fromEntries(container.env.map(({ name, value = 'from a Secret' }) => [name, value]));
  const configFile = environment['LLAMADUCT_CONFIG'] ?? '';
  const config = parseConfig(data[basename(configFile)] ?? 'missing', 'llamaduct.yaml');
  const mountOf = (path: string): Deployment['spec']['template']['spec']['volumes'][number] | undefined => {
    const mount = container.volumeMounts.find(({ mountPath }) => mountPath === dirname(path));
    // A file that is mounted by subPath is not updated.
    assert.equal(mount?.subPath, undefined);
    return pod.volumes.find(({ name }) => name === mount?.name);
  };

  test('the configuration folder is mounted, and the usage database is on a persistent volume', () => {
    assert.deepEqual(Object.keys(readEnvironment(environment)), Object.keys(environment));
    assert.equal(mountOf(configFile)?.configMap?.name, resource('ConfigMap').metadata.name);
    const claim = resource('PersistentVolumeClaim').metadata.name;
    assert.equal(mountOf(config.usage.file ?? '')?.persistentVolumeClaim?.claimName, claim);
    // Two replicas would each send `parallel` requests to the upstream.
    assert.deepEqual([spec.replicas, spec.strategy.type], [1, 'Recreate']);
    // llamaduct does not start without a key.
    assert.equal(config.keys.length, 1);
  });

  test('the image, the container, the probes and the Service use the same port', () => {
    const [published] = container.ports;
    assert.equal(String(published.containerPort), instruction('EXPOSE'));
    const { spec: service } = resource('Service') as Resource & ServiceSpec;
    assert.equal(service.ports[0].targetPort, published.name);
    assert.deepEqual(service.selector, spec.template.metadata.labels);
    assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
    for (const [probe, path] of [
      [container.livenessProbe, '/healthz'],
      [container.readinessProbe, '/readyz'],
    ] as const) {
      assert.deepEqual(probe.httpGet, { path, port: published.name });
    }
  });

  test('a load balancer has time to see /readyz fail, and responses have time to finish', () => {
    const { readinessProbe } = container;
    assert.ok(config.timeouts.drain >= 5000);
    const seen = readinessProbe.periodSeconds * readinessProbe.failureThreshold * 1000;
    assert.ok(config.timeouts.drain >= seen, 'long enough for a load balancer that relies on the probe alone');
    assert.ok(pod.terminationGracePeriodSeconds * 1000 > config.timeouts.drain + config.timeouts.grace + 1000);
    assert.equal(container.lifecycle, undefined);
  });

  test('the container runs as the user of the image', () => {
    const [uid] = instruction('USER').split(':');
    assert.equal(String(pod.securityContext['runAsUser']), uid);
  });
});

test('compose and systemd wait longer after SIGTERM than timeouts.drain plus timeouts.grace', () => {
  for (const stopTimeout of [llamaduct.stop_grace_period, unit.get('TimeoutStopSec')]) {
    assert.match(stopTimeout ?? '', /^\d+s$/);
    const needed = drain + grace + 1000;
    assert.ok(Number.parseInt(stopTimeout ?? '', 10) * 1000 > needed, `${stopTimeout} is not longer than ${needed} ms`);
  }
});

test('deploy/llamaduct.service reads the installed configuration file and can write the usage database of the example', () => {
  const [, installed] = /^# install -m 640 -g llamaduct llamaduct.yaml (\S+)$/m.exec(read('llamaduct.service')) ?? [];
  assert.ok(unit.get('Environment')?.split(' ').includes(`LLAMADUCT_CONFIG=${installed}`));
  assert.ok(read('llamaduct.example.yaml').includes(`#file: /var/lib/${unit.get('StateDirectory')}/`));
});

test('deploy/alerts.yml uses only series and labels that llamaduct exposes', async () => {
  await using upstream = await fakeUpstream((res, { body }) => {
    if (body.includes('"broken"')) res.writeHead(500).end('{"error":"it broke"}');
    else void plainAnswer()(res, { method: 'POST', url: '/api/chat', headers: {}, body });
  });
  await using gateway = await testGateway(upstream, { upstream: { parallel: 1 }, health: { failures: 1 } });
  await (await gateway.chat({ stream: true })).text();
  await (await gateway.chat({ model: 'broken' })).text();
  await (await fetch(`${gateway.url}/v1/models`)).text();
  const exposed = [...(await (await gateway.fetch('/metrics')).text()).matchAll(/^(\w+)(?:\{(.*)\})? /gm)].map(
    ([, name, labels = '']) => ({
      name,
      labels: new Map([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value])),
    }),
  );
  // Prometheus itself adds these two labels and the series `up`.
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
