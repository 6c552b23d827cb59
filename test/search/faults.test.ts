import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { htmlPage, json, resetting, silent } from '../helpers/answers.ts';
import { failing } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { hello, kinds, start, webSearch } from './helpers.ts';
import { oneSlot } from './one-slot.ts';
import { found, search, turns } from './origin.ts';

const script = [{ calls: [search('llama')] }, { text: 'It could not be searched.' }];
const request = { max_tokens: 9, messages: hello, tools: [webSearch] };

const huge: Answer = (res) => {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ results: [{ url: 'https://example.org', title: 't', content: 'x'.repeat(3_000_000) }] }));
};
const redirectTo =
  (location: string): Answer =>
  (res) =>
    void res.writeHead(302, { location }).end();
const endless: Answer = (res, { url }) => void res.writeHead(302, { location: `${url}x` }).end();

const faults: [name: string, answer: Answer, outcome: string][] = [
  ['hangs', silent, 'timeout'],
  ['answers with 500', json(500, { error: 'secret-of-the-search-server' }), 'unavailable'],
  ['refuses JSON', htmlPage(403), 'unavailable'],
  ['answers with a page', htmlPage(200), 'unavailable'],
  ['answers with JSON of another form', json(200, { hits: [] }), 'unavailable'],
  ['breaks the connection', resetting, 'unavailable'],
  ['redirects to the metadata service', redirectTo('http://169.254.169.254/latest/meta-data'), 'unavailable'],
  ['redirects to another port', redirectTo('http://127.0.0.1:1/search'), 'unavailable'],
  ['redirects to a file', redirectTo('file:///etc/passwd'), 'unavailable'],
  ['redirects without end', endless, 'unavailable'],
  ['answers with too much', huge, 'unavailable'],
];

suite('a search server that', () => {
  for (const [name, answer, outcome] of faults) {
    for (const stream of [false, true]) {
      test(`${name} is an error result and words to the model, stream ${stream}`, async () => {
        await using setup = await start({
          turns: script,
          answer,
          search: { timeout: outcome === 'timeout' ? '200ms' : '10s' },
        });
        const { response, text } = await setup.post('/v1/messages', { ...request, stream });
        assert.equal(response.status, 200);
        assert.match(text, /"web_search_tool_result_error","error_code":"unavailable"/);
        assert.match(text, /It could not be searched\./);
        assert.match(text, /"server_tool_use":null/);
        assert.match(setup.asked()[1]?.messages.at(-1)?.content ?? '', /not available.*instead of making up results/);
        assert.equal(await setup.gateway.metric(`llamaduct_web_searches_total{outcome="${outcome}"}`), 1);
        const shown = text + JSON.stringify(setup.gateway.log) + JSON.stringify(setup.asked());
        assert.doesNotMatch(
          shown,
          new RegExp(`${new URL(setup.origin.url).host}|secret-of-the-search-server|169\\.254`),
        );
        await until('the end of the search', () => setup.origin.open === 0);
      });
    }
  }

  test('redirects to itself is followed', async () => {
    const answer: Answer = (res, { url }) =>
      url.startsWith('/search')
        ? void res.writeHead(301, { location: `/found${url}` }).end()
        : json(200, { results: found })(res, { url, method: 'GET', headers: {}, body: '' });
    await using setup = await start({ turns: script, answer });
    const { text } = await setup.post('/v1/messages', request);
    assert.match(text, /"web_search_result"/);
  });

  test('finds nothing says so', async () => {
    await using setup = await start({ turns: script, answer: json(200, { results: [] }) });
    const { text } = await setup.post('/v1/messages', request);
    assert.match(text, /"type":"web_search_tool_result",[^[]*"content":\[\]/);
    assert.equal(setup.asked()[1]?.messages.at(-1)?.content, 'The search found nothing.');
    assert.equal(await setup.gateway.metric('llamaduct_web_searches_total{outcome="empty"}'), 1);
  });
});

suite('a model that searches', () => {
  for (const [name, args, code] of [
    ['with a query that is too long', { query: 'x'.repeat(500) }, 'query_too_long'],
    ['without a query', {}, 'invalid_tool_input'],
    ['with an empty query', { query: ' ' }, 'invalid_tool_input'],
  ] as const) {
    test(`${name} gets an error result`, async () => {
      const model = [{ calls: [{ name: 'web_search', arguments: args }] }, { text: 'Sorry.' }];
      await using setup = await start({ turns: model });
      const { text } = await setup.post('/v1/messages', request);
      assert.match(text, new RegExp(`"error_code":"${code}"`));
      assert.equal(setup.origin.requests.length, 0);
      assert.equal(await setup.gateway.metric(`llamaduct_web_searches_total{outcome="${code}"}`), 1);
    });
  }

  for (const kind of kinds) {
    for (const stream of [false, true]) {
      test(`and fails after the search ends the answer with an error, over ${kind}, stream ${stream}`, async () => {
        let count = 0;
        const first = turns(kind, ...script);
        const model: Answer = async (res, seen) => {
          count += 1;
          if (count === 1) return await first(res, seen);
          return await failing(500)(res, seen);
        };
        await using setup = await start({ kind, model });
        const { response, text } = await setup.post('/v1/messages', { ...request, stream });
        assert.equal(response.status, stream ? 200 : 502);
        assert.match(text, /"type":"error"/);
        assert.doesNotMatch(text, /message_stop/);
        await until('the end of the request', async () => (await setup.gateway.metric('llamaduct_in_flight')) === 1);
      });
    }
  }

  for (const stream of [false, true]) {
    test(`holds no slot of the server while it searches, and is cancelled with its client, stream ${stream}`, async () => {
      await using setup = await start({ turns: script, answer: silent, settings: { timeouts: { grace: '100ms' } } });
      const controller = new AbortController();
      const answer = setup.post('/v1/messages', { ...request, stream }, { signal: controller.signal });
      answer.catch(() => undefined);
      await until('the search', () => setup.origin.open === 1);
      assert.equal(setup.upstream.open, 0);
      controller.abort();
      await assert.rejects(answer);
      await until('the end of the search', () => setup.origin.open === 0);
      await until('the end of the request', async () => (await setup.gateway.metric('llamaduct_in_flight')) === 1);
      assert.equal(await setup.gateway.metric('llamaduct_web_searches_total{outcome="cancelled"}'), 1);
      assert.equal(setup.asked().length, 1);
      assert.equal(setup.gateway.log.find(({ outcome }) => outcome === 'client_closed')?.['searches'], 1);
    });
  }

  test('lets another request use the only slot of the server meanwhile, and waits for it in the queue afterwards', async () => {
    let release: (() => void) | undefined;
    const answer: Answer = async (res, seen) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await json(200, { results: found })(res, seen);
    };
    await using upstream = await fakeUpstream(
      turns('ollama', script[0] ?? {}, { text: 'other' }, { text: 'found it' }),
    );
    await using setup = await start({ turns: [], answer });
    await using gateway = await oneSlot(upstream, setup.origin);
    const post = async (body: object): Promise<string> =>
      await (
        await gateway.fetch('/v1/messages', {
          method: 'POST',
          body: JSON.stringify({ model: 'scripted-plain', ...body }),
        })
      ).text();
    const searching = post({ ...request, stream: true });
    await until('the search', () => setup.origin.open === 1);
    assert.match(await post({ max_tokens: 9, messages: hello }), /other/);
    release?.();
    assert.match(await searching, /found it/);
    assert.equal(await gateway.metric('llamaduct_queue_depth{upstream="ollama"}'), 0);
  });

  test('keeps its client alive with heartbeats while the search takes long', async () => {
    let release: (() => void) | undefined;
    const answer: Answer = async (res, seen) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await json(200, { results: found })(res, seen);
    };
    await using setup = await start({
      turns: script,
      answer,
      settings: { timeouts: { silence: '40ms', grace: '100ms' } },
    });
    const response = await setup.gateway.fetch('/v1/messages', {
      method: 'POST',
      body: JSON.stringify({ model: 'scripted-plain', ...request, stream: true }),
    });
    let text = '';
    for await (const part of (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream())) {
      text += part;
      if ((text.match(/event: ping/g) ?? []).length > 3) release?.();
    }
    assert.match(text, /web_search_tool_result/);
    assert.match(text, /message_stop/);
  });

  test('ends with the time limit of its request', async () => {
    await using setup = await start({
      turns: script,
      answer: silent,
      settings: { timeouts: { total: '2s', grace: '100ms' } },
    });
    const { text } = await setup.post('/v1/messages', { ...request, stream: true });
    assert.match(text, /event: error/);
    await until('the end of the search', () => setup.origin.open === 0);
  });

  test('works with web streams instead of Node responses', async () => {
    await using setup = await start({ turns: [script[0] ?? {}, { text: 'Found.' }], settings: { portable: true } });
    const { text } = await setup.post('/v1/messages', { ...request, stream: true });
    assert.match(text, /web_search_tool_result.*Found\..*message_stop/s);
    assert.equal(text.match(/event: message_stop/g)?.length, 1);
  });
});
