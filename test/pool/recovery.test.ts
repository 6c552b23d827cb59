import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { htmlPage, json, resetting, silent } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { openaiError, saying } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream, openaiUpstream, stoppedUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { chatText, fastRetries, isEjected, postsTo, upstreamsAt } from './upstreams.ts';

const openai = { kind: 'openai' } as const;

/** Starts an OpenAI-compatible server that works. */
async function workingServer(): Promise<FakeUpstream> {
  return await openaiUpstream(saying('Hello'), ['scripted-plain']);
}

suite('upstreams that are all ejected', () => {
  test('give a 503 with Retry-After without an attempt', async () => {
    await using gateway = await testGateway(upstreamsAt([await stoppedUpstream(), await stoppedUpstream()]), {
      ...fastRetries,
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

  test('give a 503 about the model when only upstreams without it are up', async () => {
    await using other = await fakeUpstream(plainAnswer(), ['other:latest']);
    await using broken = await fakeUpstream(resetting, ['here:latest']);
    await using gateway = await testGateway(upstreamsAt([broken, other]), {
      retries: { attempts: 1 },
      health: { interval: '0s', failures: 1 },
    });
    await (await gateway.chat({ model: 'here' })).text();
    const response = await gateway.chat({ model: 'here' });
    assert.equal(response.status, 503);
    assert.match(await response.text(), /No upstream that has the model can be reached/);
  });
});

suite('an ejected upstream', () => {
  test('gets no client request until a health check succeeds', async () => {
    await using bad = await workingServer();
    await using good = await workingServer();
    await using gateway = await testGateway(upstreamsAt([bad, good], openai), {
      retries: {},
      health: { interval: '20ms', failures: 2 },
    });
    const { list } = bad;
    bad.list = resetting;
    await until('the ejection', async () => await isEjected(gateway, 'first'));
    const { length: before } = bad.lists;
    for (let count = 0; count < 60; count += 1) await chatText(gateway, `conversation ${count}`);
    assert.equal(postsTo(bad), 0);
    assert.ok(bad.lists.length > before, 'there was no health check');
    bad.list = list;
    await until('the recovery', async () => !(await isEjected(gateway, 'first')));
    for (let count = 0; count < 20; count += 1) await chatText(gateway, `conversation ${count}`);
    assert.ok(postsTo(bad) > 0);
  });

  test('leaves all requests to the upstream that works', async () => {
    let broken = true;
    await using upstream = await fakeUpstream((res, request) =>
      broken ? resetting(res, request) : plainAnswer()(res, request),
    );
    await using gateway = await testGateway(upstreamsAt([upstream, await stoppedUpstream()]), {
      retries: { attempts: 1 },
      health: { interval: '30ms', failures: 2 },
    });
    await until('the ejection of the second', async () => await isEjected(gateway, 'second'));
    broken = false;
    assert.match(await chatText(gateway, 'hi'), /Hello/);
  });

  test('does not delay requests while a health check is pending', async () => {
    await using bad = await workingServer();
    await using gateway = await testGateway(upstreamsAt([bad], openai), {
      retries: { attempts: 1 },
      health: { interval: '20ms', failures: 1 },
    });
    bad.list = resetting;
    await until('the ejection', async () => await isEjected(gateway, 'first'));
    bad.list = silent;
    const { length: before } = bad.lists;
    await until('a health check', () => bad.lists.length > before);
    // A request that waited for the health check would wait for ten seconds.
    const signal = AbortSignal.timeout(3_000);
    const responses = await Promise.all(Array.from({ length: 10 }, async () => await gateway.chat({}, { signal })));
    assert.deepEqual(new Set(responses.map(({ status }) => status)), new Set([503]));
    await Promise.all(responses.map(async (response) => await response.text()));
    assert.equal(await gateway.metric('llamaduct_in_flight'), 1);
  });

  test('is checked long before the health interval is over', async () => {
    await using bad = await workingServer();
    await using good = await workingServer();
    await using gateway = await testGateway(upstreamsAt([bad, good], openai), {
      retries: {},
      health: { interval: '10m', failures: 1 },
    });
    const { answer } = bad;
    bad.answer = resetting;
    for (let count = 0; count < 20 && postsTo(bad) === 0; count += 1) await chatText(gateway, `conversation ${count}`);
    assert.equal(await isEjected(gateway, 'first'), true);
    bad.answer = answer;
    await until('the recovery', async () => !(await isEjected(gateway, 'first')), 2_500);
  });
});

suite('ejection of an upstream', () => {
  for (const [failure, list] of [
    ['a 502 from a proxy in front of it', htmlPage(502)],
    ['its own 500', json(500, openaiError('no'))],
    ['an HTML page', htmlPage(200)],
  ] satisfies [string, Answer][]) {
    test(`follows health checks that get ${failure}`, async () => {
      await using bad = await workingServer();
      await using gateway = await testGateway(upstreamsAt([bad], openai), {
        health: { interval: '10ms', failures: 3 },
      });
      bad.list = list;
      await until('the ejection', async () => await isEjected(gateway, 'first'));
    });
  }

  for (const status of [502, 503]) {
    test(`follows requests that get a ${status} from a proxy in front of it, however many others succeed`, async () => {
      await using bad = await workingServer();
      await using good = await workingServer();
      bad.answer = htmlPage(status);
      await using gateway = await testGateway(upstreamsAt([bad, good], openai), {
        ...fastRetries,
        health: { interval: '0s', failures: 3 },
      });
      for (let count = 0; count < 100; count += 1) await chatText(gateway, `conversation ${count}`);
      assert.equal(postsTo(bad), 3);
      assert.equal(await isEjected(gateway, 'first'), true);
    });
  }

  test('follows neither its own 500 nor a missing model list', async () => {
    await using server = await workingServer();
    server.list = json(404, openaiError('Not found.'));
    server.answer = json(500, openaiError('This model failed.'));
    await using gateway = await testGateway(upstreamsAt([server], openai), {
      retries: { attempts: 1 },
      health: { interval: '10ms', failures: 2 },
    });
    await until('some health checks', () => server.lists.length > 6);
    for (let count = 0; count < 4; count += 1) await (await gateway.chat()).text();
    assert.equal(postsTo(server), 4);
    assert.equal(await isEjected(gateway, 'first'), false);
  });
});
