import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Omitted, LogLimit } from '../../src/exchange/log-limit.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const refusals = (gateway: TestGateway, error: string): object[] =>
  gateway.log.filter((line) => line['error'] === error);

suite('the log lines of refused requests', { concurrency: true }, () => {
  test('without a key are counted beyond the first ten, and the rest is reported in one line', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const gateway = await testGateway(upstream);
    try {
      for (let count = 0; count < 200; count += 1) await (await fetch(`${gateway.url}/v1/models`)).text();
      assert.equal(refusals(gateway, 'invalid_api_key').length, 10);
    } finally {
      await gateway.close();
    }
    const line = gateway.log.find(({ msg }) => /more refused requests/.test(String(msg)));
    assert.equal(line?.['requests'], 190);
    assert.deepEqual(line['errors'], { invalid_api_key: 190 });
    assert.deepEqual(line['clients'], { '127.0.0.1': 190 });
    assert.match(String(line['msg']), /^190 more refused requests in the last \d+ s$/);
  });

  test('do not keep those of served requests out of the log', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (let count = 0; count < 30; count += 1) {
      await (await fetch(`${gateway.url}/v1/nothing`)).text();
      await (await gateway.chat({ n: 1000 })).text();
      await (await gateway.chat()).text();
    }
    await until('thirty lines', () => gateway.log.filter(({ outcome }) => outcome === 'ok').length >= 30);
    assert.equal(refusals(gateway, 'not_found').length, 10);
    assert.equal(refusals(gateway, 'invalid_value').length, 10);
  });
});

suite('LogLimit', () => {
  test('admits ten lines of a kind, and two hundred in all', () => {
    const limit = new LogLimit(() => undefined);
    let admitted = 0;
    for (let key = 0; key < 50; key += 1) {
      for (let count = 0; count < 20; count += 1)
        if (limit.admit({ client: '192.0.2.1', key: { name: `key${key}` } }, 'invalid_value')) admitted += 1;
      if (key === 0) assert.equal(admitted, 10);
    }
    assert.equal(admitted, 200);
  });

  test('reports what was omitted at the end of each window, by error', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const reports: Omitted[] = [];
    const limit = new LogLimit((omitted) => reports.push(omitted));
    for (let count = 0; count < 12; count += 1) {
      limit.admit({ client: '192.0.2.1', key: undefined }, 'invalid_api_key');
      limit.admit({ client: '2001:db8::1', key: undefined }, 'not_found');
    }
    limit.admit({ client: '2001:db8::1', key: undefined }, 'not_found');
    t.mock.timers.tick(10_000);
    assert.deepEqual(
      reports.map(({ requests, errors, clients }) => ({ requests, errors, clients })),
      [
        {
          requests: 5,
          errors: { invalid_api_key: 2, not_found: 3 },
          clients: { '2001:db8::1': 3, '192.0.2.1': 2 },
        },
      ],
    );
    limit.flush();
    assert.equal(reports.length, 1);
  });
});
