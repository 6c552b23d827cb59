import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { openaiError, sendJson } from '../helpers/openai-upstream.ts';
import { type Answer, fakeUpstream, plainAnswer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { asked, boxes, nowhere, openBox, page, quick, resetting, said, silent } from './boxes.ts';

const openai = { kind: 'openai' } as const;

async function isOut(gateway: TestGateway): Promise<boolean> {
  return (await gateway.metric('llamaduct_upstream_ejected{upstream="first"}')) === 1;
}

suite('upstreams that are all down', () => {
  test('are a 503 at once, with Retry-After', async () => {
    await using gateway = await testGateway(boxes([await nowhere(), await nowhere()]), {
      ...quick,
      health: { interval: '0s', failures: 1 },
    });
    await (await gateway.chat()).text();
    const response = await gateway.chat();
    assert.equal(response.status, 503);
    assert.match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, 'upstream_down');
    assert.doesNotMatch(error.message, /127\.0\.0\.1/);
  });

  test('come back by themselves', async () => {
    let broken = true;
    await using upstream = await fakeUpstream((res, request) =>
      broken ? resetting(res, request) : plainAnswer()(res, request),
    );
    await using gateway = await testGateway(boxes([upstream, await nowhere()]), {
      retries: { attempts: 1 },
      health: { interval: '30ms', failures: 2 },
    });
    const ejected = async (): Promise<number> => await gateway.metric('llamaduct_upstream_ejected{upstream="second"}');
    await until('the second to be taken out', async () => (await ejected()) === 1);
    broken = false;
    assert.match(await said(gateway, 'hi'), /Hello/);
  });
});

test('where others do not have the model, that is what is said', async () => {
  await using other = await fakeUpstream(plainAnswer(), ['other:latest']);
  await using gone = await fakeUpstream(resetting, ['here:latest']);
  await using gateway = await testGateway(boxes([gone, other]), {
    retries: { attempts: 1 },
    health: { interval: '0s', failures: 1 },
  });
  await (await gateway.chat({ model: 'here' })).text();
  const response = await gateway.chat({ model: 'here' });
  assert.equal(response.status, 503);
  assert.match(await response.text(), /No upstream that has the model can be reached/);
});

suite('an upstream that is out', () => {
  test('gets no request of a client until a look at it succeeds', async () => {
    await using bad = await openBox();
    await using good = await openBox();
    await using gateway = await testGateway(boxes([bad, good], openai), {
      retries: {},
      health: { interval: '20ms', failures: 2 },
    });
    bad.list = resetting;
    await until('it to be taken out', async () => await isOut(gateway));
    const { length: before } = bad.requests;
    for (let count = 0; count < 60; count += 1) await said(gateway, `conversation ${count}`);
    assert.equal(asked(bad), 0);
    assert.ok(bad.requests.length > before, 'nobody looked');
    const fresh = await openBox();
    bad.list = fresh.list;
    await fresh[Symbol.asyncDispose]();
    await until('it to be back', async () => !(await isOut(gateway)));
    for (let count = 0; count < 20; count += 1) await said(gateway, `conversation ${count}`);
    assert.ok(asked(bad) > 0);
  });

  test('holds nobody while it is looked at', async () => {
    await using bad = await openBox();
    await using gateway = await testGateway(boxes([bad], openai), {
      retries: { attempts: 1 },
      health: { interval: '20ms', failures: 1 },
    });
    bad.list = resetting;
    await until('it to be taken out', async () => await isOut(gateway));
    bad.list = silent;
    await until('it to be looked at', () => bad.open === 1);
    // Whoever waited for the look would wait for ten seconds.
    const signal = AbortSignal.timeout(3_000);
    const responses = await Promise.all(Array.from({ length: 10 }, async () => await gateway.chat({}, { signal })));
    assert.deepEqual(new Set(responses.map(({ status }) => status)), new Set([503]));
    await Promise.all(responses.map(async (response) => await response.text()));
    assert.equal(await gateway.metric('llamaduct_in_flight'), 1);
  });

  test('is looked at long before the interval is over', async () => {
    await using bad = await openBox();
    await using good = await openBox();
    await using gateway = await testGateway(boxes([bad, good], openai), {
      retries: {},
      health: { interval: '10m', failures: 1 },
    });
    const { chat } = bad;
    bad.chat = resetting;
    for (let count = 0; count < 20 && asked(bad) === 0; count += 1) await said(gateway, `conversation ${count}`);
    assert.equal(await isOut(gateway), true);
    bad.chat = chat;
    await until('it to be back', async () => !(await isOut(gateway)), 2_500);
  });
});

suite('an upstream is taken out', () => {
  for (const [what, list] of [
    ['a 502 of what is in front of it', page(502)],
    ['its own 500', (res) => sendJson(res, 500, openaiError('no'))],
    ['a page', page(200)],
  ] satisfies [string, Answer][]) {
    test(`by looks that get ${what}`, async () => {
      await using bad = await openBox();
      await using gateway = await testGateway(boxes([bad], openai), { health: { interval: '10ms', failures: 3 } });
      bad.list = list;
      await until('it to be taken out', async () => await isOut(gateway));
    });
  }

  for (const status of [502, 503]) {
    test(`by requests that get a ${status} of what is in front of it, however many others succeed`, async () => {
      await using bad = await openBox();
      await using good = await openBox();
      bad.chat = page(status);
      await using gateway = await testGateway(boxes([bad, good], openai), {
        ...quick,
        health: { interval: '0s', failures: 3 },
      });
      for (let count = 0; count < 300; count += 1) await said(gateway, `conversation ${count}`);
      assert.equal(asked(bad), 3);
      assert.equal(await isOut(gateway), true);
    });
  }

  test('not by its own 500, nor for having no list', async () => {
    await using one = await openBox();
    one.list = (res) => sendJson(res, 404, openaiError('Not found.'));
    one.chat = (res) => sendJson(res, 500, openaiError('This model failed.'));
    await using gateway = await testGateway(boxes([one], openai), {
      retries: { attempts: 1 },
      health: { interval: '10ms', failures: 2 },
    });
    await until('it to be looked at', () => one.requests.length > 6);
    for (let count = 0; count < 4; count += 1) await (await gateway.chat()).text();
    assert.equal(asked(one), 4);
    assert.equal(await isOut(gateway), false);
  });
});
