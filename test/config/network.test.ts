import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { ConfigError } from '../../src/config/error.ts';
import { parseConfig } from '../../src/config/file.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { UpstreamConfig } from '../../src/config/schema.ts';
import { selfSigned } from '../images/certificate.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-network-'));
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** @returns each error without the file and its position */
function faultsOf(text: string): string[] {
  try {
    parseConfig(text, 'f');
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
}

const url = 'upstreams[0].url: expected a URL without a query string or fragment';
const hash = `sha256:${'0'.repeat(64)}`;

/** Part of a configuration, and the errors in it. */
const settings: readonly [text: string, faults: string[]][] = [
  ['listen: unix:/run/llamaduct.sock', []],
  ['listen: unix:run/llamaduct.sock', ['listen: expected HOST:PORT, for example 127.0.0.1:11435']],
  [`listen: unix:/${'a'.repeat(103)}`, ['listen: expected a path of at most 103 bytes']],
  ['listen: unix:8080', []],
  ["socket_mode: '0600'", []],
  ['socket_mode: 0660', ["socket_mode: expected an octal mode in quotes, such as '0660'"]],
  ["socket_mode: '0888'", ["socket_mode: expected an octal mode in quotes, such as '0660'"]],
  ['tls: { cert: a, key: b, min_version: 1.3 }', []],
  ['tls: { cert: a, key: b, min_version: TLSv1.2 }', []],
  ["tls: { cert: a, key: b, min_version: '1.1' }", ["tls.min_version: expected '1.2' or '1.3'"]],
  ['tls: { cert: a }', ['tls.key: is required']],
  ['listen: unix:/a\ntls: { cert: a, key: b }', ['tls: a Unix socket is served without TLS; remove `tls`']],
  ['keep_alive_timeout: 5m', []],
  ['keep_alive_timeout: 0s', ['keep_alive_timeout: expected at least 1s']],
  ["trusted_proxies: [10.0.0.0/8, 'fd00::/8', 192.0.2.1, '::1', unix]", []],
  [
    'trusted_proxies: [10.0.0.0/33, proxy]',
    ['0', '1'].map(
      (index) => `trusted_proxies[${index}]: expected a network such as 10.1.2.0/24, an IP address, or unix`,
    ),
  ],
  ['keys_in_path: true', []],
  ['keys_in_path: /k', ['keys_in_path: expected boolean, received string']],
  ['allowed_hosts: [llm.example.org, gpu1]', []],
  [
    "allowed_hosts: ['*.example.org', 'gpu1:80', GPU1]",
    ['0', '1', '2'].map(
      (index) => `allowed_hosts[${index}]: expected a host name in lower case such as llm.example.org: no port, no *`,
    ),
  ],
  [`keys: [{ name: a, hash: '${hash}', addresses: [10.1.2.0/24, 192.0.2.7, '2001:db8::/32'] }]`, []],
  [
    `keys: [{ name: a, hash: '${hash}', addresses: [10.1.2] }]`,
    ['keys[0].addresses[0]: expected a network such as 10.1.2.0/24, or an IP address'],
  ],
  ['upstreams: [{ kind: openai, url: "https://me:password@gpu1/prefix/v1" }]', []],
  ['upstreams: [{ url: "https://gpu1/?key=secret" }]', [url]],
  ['upstreams: [{ url: "https://gpu1/?" }]', [url]],
  ['upstreams: [{ url: "https://gpu1/#top" }]', [url]],
  ['upstreams: [{ url: "https://gpu1", ca: a, cert: b, key: c }]', []],
  ['upstreams: [{ url: "https://gpu1", insecure_skip_verify: true }]', []],
  ['upstreams: [{ url: "http://gpu1", ca: a }]', ['upstreams[0].ca: `ca` needs a URL with https']],
  ['upstreams: [{ url: "http://gpu1", cert: a, key: b }]', ['upstreams[0].cert: `cert` needs a URL with https']],
  [
    'upstreams: [{ url: "http://gpu1", insecure_skip_verify: true }]',
    ['upstreams[0].insecure_skip_verify: `insecure_skip_verify` needs a URL with https'],
  ],
  [
    'upstreams: [{ url: "https://gpu1", ca: a, insecure_skip_verify: true }]',
    ['upstreams[0].ca: `ca` has no effect with `insecure_skip_verify`'],
  ],
  [
    'upstreams: [{ url: "https://gpu1", cert: a }]',
    ['upstreams[0].cert: `cert` needs `key`, the file with its private key'],
  ],
  [
    'upstreams: [{ url: "https://gpu1", key: sk-0123 }]',
    [
      'upstreams[0].key: `key` is the file with the private key of `cert`; the name of an API key variable is `key_env`',
    ],
  ],
  ['upstreams: [{ url: "http://gpu1", headers: { X-A: "a ${B} $c", Host: inner } }]', []],
  [
    'upstreams: [{ url: "http://gpu1", headers: { Content-Length: "1", "x a": b } }]',
    [
      'upstreams[0].headers.Content-Length: llamaduct sets this header itself',
      'upstreams[0].headers.x a: expected the name of a header, such as CF-Access-Client-Id',
    ],
  ],
  [
    'upstreams: [{ url: "http://gpu1", headers: { X-A: a, x-a: b } }]',
    ['upstreams[0].headers.x-a: this header is set twice'],
  ],
  [
    'upstreams: [{ url: "http://gpu1", headers: { X-A: "${not a name}", X-B: "a\\r\\nX-C: d" } }]',
    [
      'upstreams[0].headers.X-A: expected ${NAME} with the name of an environment variable',
      'upstreams[0].headers.X-B: expected printable ASCII characters',
    ],
  ],
  [
    'upstreams: [{ url: "http://gpu1", key_env: K, headers: { Authorization: a } }]',
    ['upstreams[0].headers: authorization is already set by `key_env` or by the user name and password in `url`'],
  ],
];

for (const [text, faults] of settings) {
  test(`the configuration ${JSON.stringify(text.slice(0, 90))} has ${faults.length} errors`, () => {
    assert.deepEqual(faultsOf(text).toSorted(), faults.toSorted());
  });
}

test('TLS and --listen with a Unix socket exclude each other', async () => {
  const config = fileOf('socket.yaml', 'access: open\ntls: { cert: a, key: b }\n');
  await assert.rejects(loadConfig({ config, listen: 'unix:/a' }, {}), /^ConfigError: tls: a Unix socket is served/);
});

suite('the settings of an upstream', () => {
  async function upstreamOf(entry: string, variables: Record<string, string> = {}): Promise<UpstreamConfig> {
    const config = fileOf('upstream.yaml', `access: open\nupstreams: [{ url: "https://gpu1", ${entry} }]\n`);
    return (await loadConfig({ config }, {}, (name) => variables[name])).config.upstreams[0];
  }

  test('have environment variables in the values of headers replaced', async () => {
    const entry = 'headers: { CF-Access-Client-Id: id.access, X-Both: "${A}:${B}" }';
    const { headers } = await upstreamOf(entry, { A: 'a secret', B: '$&' });
    assert.deepEqual(headers, { 'cf-access-client-id': 'id.access', 'x-both': 'a secret:$&' });
  });

  test('are refused when such a variable is unset or no header value, without showing it', async () => {
    const entry = 'headers: { X-A: "${SECRET}" }';
    await assert.rejects(upstreamOf(entry), {
      message: 'upstreams[0].headers.X-A: the environment variable SECRET is not set',
    });
    await assert.rejects(upstreamOf(entry, { SECRET: 'a\r\nx-b: c' }), {
      message: 'SECRET: expected printable ASCII characters',
    });
  });

  test('contain the certificates, from paths relative to the folder of the file', async () => {
    const pair = selfSigned('client');
    const authority = selfSigned('authority');
    fileOf('ca.crt', authority.cert + pair.cert);
    fileOf('client.crt', pair.cert);
    fileOf('client.key', pair.key);
    const { tls, key } = await upstreamOf('ca: ca.crt, cert: client.crt, key: client.key');
    assert.deepEqual(tls, { ca: authority.cert + pair.cert, cert: pair.cert, key: pair.key });
    assert.equal(key, undefined);
    assert.deepEqual((await upstreamOf('insecure_skip_verify: true')).tls, { rejectUnauthorized: false });
    assert.equal((await upstreamOf('name: a')).tls, undefined);
  });

  test('are refused when a file of a certificate is missing or damaged, and a key is never shown', async () => {
    const pair = selfSigned('client');
    fileOf('client.crt', pair.cert);
    fileOf('client.key', pair.key);
    fileOf('other.key', selfSigned('other').key);
    fileOf('damaged.crt', pair.cert.replace(/\n.{10}/, '\nAAAAAAAAAA'));
    for (const [entry, message] of [
      ['ca: missing.crt', /^upstreams\[0\]\.ca: cannot read .*\/missing\.crt \(ENOENT\)$/],
      ['ca: client.key', /^upstreams\[0\]\.ca: .*\/client\.key contains no certificate in PEM, or a damaged one$/],
      ['ca: damaged.crt', /^upstreams\[0\]\.ca: .* or a damaged one$/],
      ['cert: client.crt, key: sk-secret', /^upstreams\[0\]\.key: cannot read the file \(ENOENT\)$/],
      ['cert: client.crt, key: other.key', /^upstreams\[0\]\.key: not the private key of the certificate, or with/],
    ] as const) {
      await assert.rejects(upstreamOf(entry), { name: 'ConfigError', message });
    }
  });
});
