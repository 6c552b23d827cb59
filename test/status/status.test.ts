import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import type { Board } from '../../src/status/board.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { sendJson } from '../helpers/answers.ts';
import { EventStream } from '../helpers/event-stream.ts';
import { type TestGateway, ending, secret, testGateway } from '../helpers/gateway.ts';
import { type HeldUpstream, heldUpstream } from '../helpers/held-upstream.ts';
import { chatLine, ndjson } from '../helpers/ollama-answers.ts';
import { until } from '../helpers/wait.ts';

const alice = 'ld-a-secret-of-alice';
const keys = [
  { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
  { name: 'alice', hash: hashSecret(alice), limits: { tokens_per_minute: 1000, concurrent: 4 } },
];
const asAlice = { headers: { authorization: `Bearer ${alice}` } };

interface Lab extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly upstream: HeldUpstream;
}

/** One server with one slot. */
async function lab(settings: Record<string, unknown> = {}): Promise<Lab> {
  const upstream = await heldUpstream();
  const gateway = await testGateway(upstream, { upstream: { parallel: 1 }, keys, ...settings });
  return { gateway, upstream, [Symbol.asyncDispose]: ending(gateway, upstream)[Symbol.asyncDispose] };
}

async function board(gateway: TestGateway, init?: RequestInit): Promise<Board> {
  const response = await gateway.fetch('/v1/status', init);
  assert.equal(response.status, 200);
  return (await response.json()) as Board;
}

/** The state after all events of a stream, each of which replaces some members. */
function stateOf({ events }: EventStream): Partial<Board> {
  return Object.assign({}, ...events) as Partial<Board>;
}

async function watch(gateway: TestGateway, init?: RequestInit): Promise<EventStream> {
  const response = await gateway.fetch('/v1/status?stream=true', init);
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  return new EventStream(response);
}

await suite('GET /v1/status', async () => {
  await test('shows whose request runs, and whose waits at which position', async () => {
    await using at = await lab();
    const { gateway, upstream } = at;
    const answers = [gateway.chat()];
    await until('the first to run', () => upstream.held === 1);
    answers.push(gateway.chat({}, asAlice));
    await until('the second to wait', async () => (await board(gateway)).load.waiting === 1);
    const { requests, requests_total: total, load } = await board(gateway);
    assert.deepEqual(
      requests.map(({ key, model, upstream: server, phase, position, priority, route }) => ({
        key,
        model,
        server,
        phase,
        position,
        priority,
        route,
      })),
      [
        {
          key: 'tester',
          model: 'scripted-plain',
          server: 'ollama',
          phase: 'processing',
          position: null,
          priority: 'interactive',
          route: '/v1/chat/completions',
        },
        {
          key: 'alice',
          model: 'scripted-plain',
          server: requests[1]?.upstream ?? null,
          phase: 'queued',
          position: 1,
          priority: 'interactive',
          route: '/v1/chat/completions',
        },
      ],
    );
    assert.equal(typeof requests[1]?.expected_wait, 'number');
    assert.equal(total, 2);
    assert.deepEqual(load, { running: 1, waiting: 1 });
    upstream.flow();
    for (const answer of await Promise.all(answers)) await answer.text();
  });

  await test('contains nothing of prompts and answers', async () => {
    await using at = await lab();
    const { gateway, upstream } = at;
    const answer = gateway.chat({ messages: [{ role: 'user', content: 'a-word-of-the-prompt' }] });
    await until('it to run', () => upstream.held === 1);
    assert.doesNotMatch(JSON.stringify(await board(gateway)), /a-word-of-the-prompt/);
    upstream.release((res) => {
      sendJson(res, 500, { error: 'a-word-of-the-answer' });
    });
    await (await answer).text();
    const { errors } = await board(gateway);
    assert.equal(errors.length, 1);
    assert.doesNotMatch(JSON.stringify(await board(gateway)), /a-word-of-the-/);
  });

  await test('shows a key without the admin scope its own requests, errors, limits and hour only', async () => {
    await using at = await lab();
    const { gateway, upstream } = at;
    upstream.flow();
    await (await gateway.chat()).text();
    await (await gateway.chat({ messages: 'no list' })).text();
    await (await gateway.chat({}, asAlice)).text();
    await (await gateway.chat({ messages: 'no list' }, asAlice)).text();
    const own = await board(gateway, asAlice);
    assert.equal(own.scope, 'own');
    assert.equal(own.servers, null);
    assert.deepEqual([...new Set(own.errors.map(({ key }) => key))], ['alice']);
    assert.deepEqual([...new Set(own.last_hour.by_key_and_model.map(({ key }) => key))], ['alice']);
    const shown = own.limits.map(({ name, limit, max }) => ({ name, limit, max }));
    assert.deepEqual(shown, [
      { name: 'alice', limit: 'tokens_per_minute', max: 1000 },
      { name: 'alice', limit: 'concurrent', max: 4 },
    ]);
    const all = await board(gateway);
    assert.equal(all.scope, 'all');
    assert.deepEqual([...new Set(all.errors.map(({ key }) => key))].toSorted(), ['alice', 'tester']);
    assert.deepEqual([...new Set(all.last_hour.by_key_and_model.map(({ key }) => key))].toSorted(), [
      'alice',
      'tester',
    ]);
  });

  await test('shows whoever has no key neither the ids of responses nor the requests of other networks', async () => {
    await using at = await lab({ access: 'open', trusted_proxies: ['127.0.0.1'] });
    const { gateway, upstream } = at;
    const from = async (address: string, path: string, body?: object): Promise<Response> =>
      await fetch(gateway.url + path, {
        headers: { 'x-forwarded-for': address },
        ...(body !== undefined && { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', ...body }) }),
      });
    const read = async (address: string): Promise<Board> => (await (await from(address, '/v1/status')).json()) as Board;
    const answer = from('192.0.2.1', '/v1/responses', { input: 'hi' });
    await until('it to run', () => upstream.held === 1);
    await (await from('192.0.2.1', '/v1/responses', { input: 5 })).text();
    const own = await read('192.0.2.1');
    assert.deepEqual([own.requests_total, own.requests[0]?.id], [1, null]);
    assert.deepEqual([own.errors.length, own.errors[0]?.id], [1, null]);
    const other = await read('198.51.100.1');
    assert.deepEqual([other.requests, other.requests_total, other.errors], [[], 0, []]);
    assert.match((await board(gateway)).requests[0]?.id ?? '', /^resp_/);
    upstream.flow();
    await (await answer).text();
  });

  await test('counts what a key has used of its limits', async () => {
    await using at = await lab();
    const { gateway, upstream } = at;
    upstream.flow();
    await (await gateway.chat({}, asAlice)).text();
    const { limits } = await board(gateway, asAlice);
    const [tokens] = limits;
    assert.ok(tokens !== undefined && tokens.used !== null && tokens.used > 0);
    assert.equal(tokens.remaining, 1000 - tokens.used);
  });

  await test('shows a server that is down, with the error, and without its address', async () => {
    const upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { health: { interval: '50ms', failures: 1 } });
    assert.equal((await board(gateway)).servers?.[0]?.up, true);
    await upstream[Symbol.asyncDispose]();
    await until('the ejection', async () => (await board(gateway)).servers?.[0]?.up === false);
    const state = await board(gateway);
    assert.equal(state.servers?.[0]?.error, 'upstream_unreachable');
    assert.doesNotMatch(JSON.stringify(state), new RegExp(new URL(upstream.url).host));
  });

  await test('lists loaded models with memory, context and expiry', async () => {
    await using at = await lab();
    const { gateway, upstream } = at;
    upstream.loaded = ['scripted-plain:latest'];
    const { loaded_models: loaded, servers } = await board(gateway);
    assert.deepEqual(loaded, [
      { name: 'scripted-plain:latest', bytes: null, gpu_bytes: null, context: null, expires_at: null },
    ]);
    assert.deepEqual(servers?.[0]?.loaded, loaded);
  });

  await test('streams the state, then only what has changed', async () => {
    await using at = await lab();
    const { gateway, upstream } = at;
    const watcher = await watch(gateway);
    await watcher.more(1);
    assert.equal(typeof watcher.events[0]?.['version'], 'string');
    const answer = gateway.chat({ stream: true });
    await until('the request', () => stateOf(watcher).requests?.length === 1);
    await until('it to run', () => upstream.held === 1);
    upstream.release((res) => {
      ndjson(res);
      for (const text of ['a', 'b', 'c']) res.write(chatLine(text));
    });
    await until('the tokens', () => stateOf(watcher).requests?.[0]?.phase === 'streaming');
    assert.ok(watcher.events.slice(1).every((event) => !Object.hasOwn(event, 'version')));
    await (await answer).body?.cancel();
    await until('the end', () => stateOf(watcher).requests?.length === 0);
  });

  await test('ends the stream of a key that was revoked, and of a service that stops', async () => {
    await using at = await lab({
      keys: [...keys, { name: 'gone', hash: hashSecret('ld-gone'), scopes: ['inference'] }],
    });
    const { gateway, upstream } = at;
    const revoked = await watch(gateway, { headers: { authorization: 'Bearer ld-gone' } });
    const staying = await watch(gateway);
    await gateway.reload(async () => {
      const file = configSchema.parse({ listen: '127.0.0.1:0', keys });
      return await Promise.resolve({ ...file, upstreams: [{ name: 'ollama', kind: 'ollama', url: upstream.url }] });
    });
    await revoked.ended;
    await staying.more(1);
    await gateway.close();
    await staying.ended;
  });

  await test('rejects another value of stream than true and false', async () => {
    await using at = await lab();
    const response = await at.gateway.fetch('/v1/status?stream=1');
    assert.equal(response.status, 400);
    assert.match(await response.text(), /stream must be true or false/);
  });

  await test('needs a key', async () => {
    await using at = await lab();
    const response = await fetch(`${at.gateway.url}/v1/status`);
    assert.equal(response.status, 401);
    await response.text();
  });

  await test('the metrics show who runs and waits, what is left of limits, and what is loaded', async () => {
    await using at = await lab({ health: { interval: '50ms' } });
    const { gateway, upstream } = at;
    upstream.loaded = ['scripted-plain:latest'];
    const answers = [gateway.chat()];
    await until('the first to run', () => upstream.held === 1);
    answers.push(gateway.chat({}, asAlice));
    const queued = 'llamaduct_key_queued{key="alice",priority="interactive"}';
    await until('the second to wait', async () => (await gateway.metric(queued)) === 1);
    assert.equal(await gateway.metric('llamaduct_key_in_flight{key="tester"}'), 1);
    assert.equal(await gateway.metric('llamaduct_upstream_slots{upstream="ollama"}'), 1);
    const loaded = 'llamaduct_model_loaded_bytes{upstream="ollama",model="scripted-plain:latest"} 0';
    await until('the loaded model', async () => (await (await gateway.fetch('/metrics')).text()).includes(loaded));
    upstream.flow();
    for (const answer of await Promise.all(answers)) await answer.text();
    const used = 'llamaduct_limit_used_ratio{key="alice",limit="tokens_per_minute"}';
    await until('the used limit', async () => (await gateway.metric(used)) > 0);
    assert.equal(await gateway.metric(queued), 0);
  });
});
