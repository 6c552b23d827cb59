import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { type ClientAddressOf, createClientAddressOf } from '../../src/http/client-address.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

const tcp = { host: '0.0.0.0', port: 80 };

function find(of: ClientAddressOf, remoteAddress: string | undefined, forwarded?: string): string | undefined {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return of({ socket: { remoteAddress } as never, headers });
}

suite("the client's address", () => {
  test('is that of the connection, whatever the client says, unless a trusted proxy opened it', () => {
    const nobody = createClientAddressOf({ listen: tcp, trusted_proxies: [] });
    assert.equal(find(nobody, '192.0.2.1', '10.9.9.9'), '192.0.2.1');
    assert.equal(find(nobody, '::ffff:192.0.2.1'), '192.0.2.1');
    assert.equal(find(nobody, 'fe80::1%eth0'), 'fe80::1');
    assert.equal(find(nobody, undefined), undefined);
    const others = createClientAddressOf({ listen: tcp, trusted_proxies: ['10.0.0.0/8'] });
    assert.equal(find(others, '192.0.2.1', '10.9.9.9'), '192.0.2.1');
  });

  test('is the last one in X-Forwarded-For that is not a trusted proxy: the ones before may be made up', () => {
    const of = createClientAddressOf({ listen: tcp, trusted_proxies: ['10.0.0.0/8', 'fd00::/8', '203.0.113.5'] });
    const cases: readonly [peer: string, forwarded: string, client: string][] = [
      ['10.0.0.1', '192.0.2.1', '192.0.2.1'],
      ['::ffff:10.0.0.1', '192.0.2.1', '192.0.2.1'],
      ['10.0.0.1', '198.51.100.9, 192.0.2.1', '192.0.2.1'],
      ['10.0.0.1', '10.0.0.7, 192.0.2.1, 10.0.0.2', '192.0.2.1'],
      ['10.0.0.1', '192.0.2.1,203.0.113.5 , fd00::1', '192.0.2.1'],
      ['10.0.0.1', '2001:db8::7', '2001:db8::7'],
      ['10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
      ['10.0.0.1', '192.0.2.1:4711', '192.0.2.1'],
      ['10.0.0.1', '::ffff:192.0.2.1', '192.0.2.1'],
      ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
      // What is no address ends the search at the last known one.
      ['10.0.0.1', '192.0.2.1, unknown', '10.0.0.1'],
      ['10.0.0.1', 'unknown, 10.0.0.2', '10.0.0.2'],
      ['10.0.0.1', '192.0.2.1, ', '10.0.0.1'],
      ['10.0.0.1', '', '10.0.0.1'],
      ['10.0.0.1', '192.0.2.1\u0000', '10.0.0.1'],
      ['10.0.0.1', `192.0.2.1${', 10.0.0.2'.repeat(2_000)}`, '10.0.0.2'],
    ];
    for (const [peer, forwarded, client] of cases)
      assert.equal(find(of, peer, forwarded), client, forwarded.slice(0, 99));
  });

  test('of a Unix socket is whatever the proxy that connects to it says, if it is trusted', () => {
    const listen = { path: '/run/llamaduct.sock' };
    const trusting = createClientAddressOf({ listen, trusted_proxies: ['unix'] });
    assert.equal(find(trusting, undefined, '192.0.2.1'), '192.0.2.1');
    assert.equal(find(trusting, undefined), 'unix');
    const wary = createClientAddressOf({ listen, trusted_proxies: ['10.0.0.0/8'] });
    assert.equal(find(wary, undefined, '192.0.2.1'), 'unix');
  });

  test('is in the log line of every request, served or refused', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const gateway = await testGateway(upstream, { trusted_proxies: ['127.0.0.1'] });
    await gateway.chat();
    await gateway.chat({}, { headers: { authorization: 'Bearer ld-nobody', 'x-forwarded-for': '6.6.6.6, 192.0.2.1' } });
    await gateway.fetch('/nothing', { headers: { 'x-forwarded-for': '2001:db8::7' } });
    await gateway.close();
    const lines = gateway.log.filter(({ msg }) => msg === 'request');
    assert.deepEqual(
      lines.map(({ status, client }) => [status, client]),
      [
        [200, '127.0.0.1'],
        [401, '192.0.2.1'],
        [404, '2001:db8::7'],
      ],
    );
  });
});

suite('a key with addresses', () => {
  const keys = [
    { name: 'here', hash: hashSecret(secret), addresses: ['127.0.0.0/8', '::1'], scopes: ['inference', 'metrics'] },
    { name: 'office', hash: hashSecret('ld-office'), addresses: ['192.0.2.0/24', '2001:db8::/32'] },
  ];
  const from = (client: string): RequestInit => ({
    headers: { authorization: 'Bearer ld-office', 'x-forwarded-for': client },
  });

  test('is refused from any other address with a 403, which is counted and reaches no upstream', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    assert.equal((await gateway.chat()).status, 200);
    const sent = upstream.requests.length;
    const refused = await gateway.chat({}, from('192.0.2.7'));
    assert.equal(refused.status, 403);
    assert.deepEqual(await refused.json(), {
      error: {
        message: 'This key may not be used from this address.',
        type: 'permission_error',
        param: null,
        code: 'address_not_allowed',
      },
    });
    assert.equal((await gateway.fetch('/v1/usage', from('192.0.2.7'))).status, 403);
    assert.equal(upstream.requests.length, sent);
    assert.equal(await gateway.metric('llamaduct_auth_failures_total{reason="address"}'), 2);
  });

  test('works through a trusted proxy for the clients in its networks only', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys, trusted_proxies: ['127.0.0.1'] });
    for (const [client, status] of [
      ['192.0.2.7', 200],
      ['2001:db8:1::7', 200],
      ['::ffff:192.0.2.7', 200],
      ['192.0.2.7, 198.51.100.1', 403],
      ['198.51.100.1', 403],
      ['unknown', 403],
    ] as const) {
      assert.equal((await gateway.chat({}, from(client))).status, status, client);
    }
  });
});
