import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { configSchema } from '../src/config/schema.ts';
import { root, start } from './cli/run.ts';

const read = (file: string): string => readFileSync(join(root, 'deploy', file), 'utf8');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };

interface Service {
  readonly image: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
}
const { services } = parse(read('compose.yaml')) as {
  readonly services: Readonly<Record<'ollama' | 'llamaduct' | 'prometheus', Service>>;
};

interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
}
interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly securityContext: object;
  readonly containers: readonly [
    {
      readonly image: string;
      readonly securityContext: object;
      readonly resources: { readonly limits: { readonly memory: string } };
    },
  ];
}
interface Deployment {
  readonly spec: { readonly template: { readonly metadata: { readonly labels: object }; readonly spec: PodSpec } };
}
interface NetworkPolicy {
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes: readonly string[];
    readonly ingress: readonly { readonly from: readonly object[]; readonly ports: readonly object[] }[];
  };
}
const resources = parseAllDocuments(read('kubernetes.yaml')).map(
  (document) => document.toJS() as { readonly kind: string },
);
const resource = (kind: string): unknown => resources.find((one) => one.kind === kind);
const deployment = resource('Deployment') as Deployment;
const pod = deployment.spec.template.spec;
const [container] = pod.containers;

const unitText = read('llamaduct.service');
const unit = new Map(
  [...unitText.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name as string, value as string]),
);
const baseImages = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image as string);

const MiB = 1024 * 1024;

/** `768m` of Compose, `768Mi` of Kubernetes and `768M` of systemd, which all count in powers of two. */
function bytesOf(text: string | undefined): number {
  const [, number, unitOfSize] = /^(\d+)(m|Mi|M|g|Gi|G)$/.exec(text ?? '') ?? [];
  assert.ok(number !== undefined && unitOfSize !== undefined, text);
  return Number(number) * (unitOfSize.startsWith('g') || unitOfSize.startsWith('G') ? 1024 : 1) * MiB;
}

/**
 * Bytes that llamaduct needs with its default configuration, when everything that has a bound reaches it: request bodies, as
 * bytes and as parsed values, and stored responses. 160 MiB are the process with its code, V8's young generation and the
 * connections.
 */
function neededMemory(): number {
  const { limits, responses } = configSchema.parse({});
  return 160 * MiB + 2 * limits.bodies_total + responses.bytes;
}

suite('images', () => {
  const exact = /^[\w./-]+:v?\d+\.\d+\.\d+(?:-[\w.]+)*(?:@sha256:[0-9a-f]{64})?$/;

  test('every image is pinned to an exact version', () => {
    const images = [...baseImages, ...Object.values(services).map(({ image }) => image), container.image];
    // ${OLLAMA_TAG:-0.17.4} is 0.17.4 unless the operator sets another.
    for (const image of images.map((name) => name.replace(/\$\{\w+:-(.*)\}/, '$1'))) assert.match(image, exact);
    assert.equal(new Set(baseImages).size, 1);
  });

  test("llamaduct's own image has the version of the package", () => {
    assert.equal(services.llamaduct.image, `llamaduct:${version}`);
    assert.equal(container.image, `registry.example.org/llamaduct:${version}`);
    assert.ok(read('Dockerfile').includes(`-t llamaduct:${version} .`));
  });

  test('the image contains no second Node.js and runs no install scripts', () => {
    const installs = [...read('Dockerfile').matchAll(/^RUN (npm ci.*)$/gm)].map(([, command]) => command);
    assert.deepEqual(installs, ['npm ci --ignore-scripts', 'npm ci --omit=dev --omit=optional --ignore-scripts']);
  });
});

suite('memory limits', () => {
  const limits = {
    'compose.yaml': services.llamaduct.mem_limit,
    'kubernetes.yaml': container.resources.limits.memory,
    'llamaduct.service': unit.get('MemoryMax'),
  };
  for (const [file, limit] of Object.entries(limits)) {
    test(`${file} allows what the default bounds of llamaduct add up to, and the 512 MiB of SECURITY.md`, () => {
      assert.ok(bytesOf(limit) >= neededMemory(), `${limit} is less than ${Math.ceil(neededMemory() / MiB)} MiB`);
      assert.ok(bytesOf(limit) >= 512 * MiB);
    });
  }

  test('the default bounds keep llamaduct below 512 MiB', () => {
    assert.ok(neededMemory() <= 512 * MiB, `${Math.ceil(neededMemory() / MiB)} MiB`);
  });
});

suite('deploy/compose.yaml', () => {
  test('llamaduct and Prometheus have a read-only file system and no capabilities, and nothing is privileged', () => {
    for (const service of [services.llamaduct, services.prometheus]) {
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
    }
    for (const { privileged, cap_add, security_opt } of Object.values(services)) {
      assert.deepEqual([privileged, cap_add], [undefined, undefined]);
      // Without `seccomp=unconfined`, Docker's default profile applies.
      assert.deepEqual(security_opt, ['no-new-privileges:true']);
    }
    assert.match(services.llamaduct.user ?? '', /^[1-9]\d*:[1-9]\d*$/);
  });
});

suite('deploy/kubernetes.yaml', () => {
  test('the pod meets the restricted Pod Security Standard and has no service account token', () => {
    assert.deepEqual(pod.securityContext, {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    assert.equal(pod.automountServiceAccountToken, false);
    assert.deepEqual([pod.serviceAccountName, pod.hostNetwork, pod.hostPID], [undefined, undefined, undefined]);
  });

  test('only llamaduct may connect to Ollama', () => {
    const { podSelector, policyTypes, ingress } = (resource('NetworkPolicy') as NetworkPolicy).spec;
    assert.deepEqual(podSelector, { matchLabels: { 'app.kubernetes.io/name': 'ollama' } });
    assert.deepEqual(policyTypes, ['Ingress']);
    const llamaduct = { podSelector: { matchLabels: deployment.spec.template.metadata.labels } };
    assert.deepEqual(ingress, [{ from: [llamaduct], ports: [{ port: 11_434 }] }]);
  });
});

suite('deploy/llamaduct.service', () => {
  test('the file that holds secrets is readable by root only, and says so', () => {
    const file = unit.get('EnvironmentFile')?.replace(/^-/, '') ?? '';
    assert.ok(unitText.includes(`# install -m 600 llamaduct.env ${file}\n`));
    assert.match(unitText, /^# - llamaduct\.env holds secrets: .*\n# {3}the variables to llamaduct/m);
  });

  test('no installation step makes a file in /etc/llamaduct readable by other users', () => {
    const installed = [...unitText.matchAll(/^# install .*-m (\d+).* \/etc\/llamaduct(?:\/\S+)?$/gm)];
    assert.equal(installed.length, 3);
    for (const [line, mode] of installed) assert.match(mode ?? '', /0$/, line);
    assert.match(unitText, /^# useradd --system --user-group .* llamaduct$/m);
    assert.deepEqual([unit.get('User'), unit.get('Group')], ['llamaduct', 'llamaduct']);
  });

  test('systemd-analyze security rates its exposure at 1.5 or lower', async (t) => {
    const analyzed = await start('systemd-analyze', [
      'security',
      '--offline=true',
      '--no-pager',
      '--threshold=15',
      'deploy/llamaduct.service',
    ]).ended.catch(() => undefined);
    if (analyzed === undefined) return t.skip('systemd-analyze is not installed');
    const [, exposure] = /Overall exposure level for llamaduct\.service: (\d+\.\d+)/.exec(analyzed.stdout) ?? [];
    assert.ok(Number(exposure) <= 1.5, exposure ?? analyzed.stderr);
    assert.equal(analyzed.code, 0, analyzed.stderr);
  });
});
