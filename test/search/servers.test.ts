import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isFromDomain } from '../../src/search/domains.ts';
import { type SearchEnding, type SearchOptions, Searcher } from '../../src/search/searcher.ts';
import { searchApis } from '../../src/search/servers.ts';
import { citationsIn } from '../../src/chat/search.ts';
import { json, silent } from '../helpers/answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';
import { found } from './origin.ts';

const endings: SearchEnding[] = [];
function searcher(url: string, more: Partial<SearchOptions> = {}): Searcher {
  return new Searcher({ url, kind: 'ollama', results: 5, timeout: 5_000, uses: 5, ...more }, (ending) =>
    endings.push(ending),
  );
}
const { signal } = new AbortController();
const go = { mayRun: true, signal };

suite('a search server', () => {
  test('of kind ollama gets the query, the number of results and the key', async () => {
    await using origin = await fakeUpstream(json(200, { results: found }));
    const outcome = await searcher(origin.url, { key: 'k-1' }).search('llama', { size: 'high' }, go);
    assert.ok('results' in outcome);
    assert.deepEqual(outcome.results[0], {
      title: 'Llamas',
      url: 'https://example.org/llama',
      text: 'A llama is a camelid.',
    });
    const [request] = origin.requests;
    assert.deepEqual([request?.method, request?.url], ['POST', '/api/experimental/web_search']);
    assert.deepEqual(JSON.parse(request?.body ?? ''), { query: 'llama', max_results: 10 });
    assert.equal(request?.headers.authorization, 'Bearer k-1');
  });

  for (const [kind, base, expected] of [
    ['ollama', 'https://ollama.com', 'https://ollama.com/api/web_search'],
    ['ollama', 'https://ollama.com/api/web_search', 'https://ollama.com/api/web_search'],
    ['ollama', 'http://10.0.0.1:11434/', 'http://10.0.0.1:11434/api/experimental/web_search'],
    ['searxng', 'http://searx', 'http://searx/search'],
    ['searxng', 'http://searx/base/', 'http://searx/base/search'],
    ['searxng', 'http://searx/search', 'http://searx/search'],
  ] as const) {
    test(`of kind ${kind} at ${base} is asked at ${expected}`, () => {
      assert.equal(searchApis[kind].endpoint(new URL(base)).href, expected);
    });
  }

  test('with results that are not pages has them left out, and long ones cut', async () => {
    const results = [
      { url: 'javascript:alert(1)', title: 'x', content: 'x' },
      { url: 7 },
      null,
      { url: 'https://example.org/a', title: ' A\n\n b ', content: 'word '.repeat(2_000) },
      { url: 'https://example.org/b' },
    ];
    await using origin = await fakeUpstream(json(200, { results }));
    const outcome = await searcher(origin.url, { kind: 'searxng' }).search('q', {}, go);
    assert.ok('results' in outcome);
    assert.deepEqual(
      outcome.results.map(({ title, text }) => [title, text.length]),
      [
        ['A b', 2_000],
        ['https://example.org/b', 0],
      ],
    );
  });

  test('gets 8 searches at a time, the rest of one owner waits, and too many are an error result', async () => {
    await using origin = await fakeUpstream(silent);
    const controller = new AbortController();
    const one = searcher(origin.url);
    const running = Array.from(
      { length: 60 },
      async () => await one.search('q', {}, { ...go, owner: 'a', signal: controller.signal }),
    );
    const outcomes = await Promise.race([Promise.all(running.slice(41)), running[45]]);
    assert.deepEqual(outcomes, { fault: 'too_many_requests' });
    assert.ok(origin.requests.length <= 8);
    controller.abort(new Error('over'));
    const settled = await Promise.allSettled(running);
    assert.equal(settled.filter(({ status }) => status === 'rejected').length, 40);
  });

  test('that cannot be reached, or whose name does not resolve, is unavailable', async () => {
    for (const url of ['http://127.0.0.1:1', 'http://no-such-host.invalid']) {
      assert.deepEqual(await searcher(url).search('q', {}, go), { fault: 'unavailable' });
    }
  });

  test('that sends its answer slowly is given up', async () => {
    const dripping: Answer = (res) =>
      void res.writeHead(200, { 'content-type': 'application/json' }).write('{"results":[');
    await using origin = await fakeUpstream(dripping);
    const outcome = await searcher(origin.url, { timeout: 100 }).search('q', {}, go);
    assert.deepEqual(outcome, { fault: 'unavailable' });
    assert.equal(endings.at(-1), 'timeout');
  });
});

suite('a domain', () => {
  for (const [address, domain, expected] of [
    ['https://example.com/a', 'example.com', true],
    ['https://docs.example.com/a', 'example.com', true],
    ['https://example.com/a', 'docs.example.com', false],
    ['https://notexample.com/', 'example.com', false],
    ['https://example.com/blog/1', 'example.com/blog', true],
    ['https://example.com/blogs', 'example.com/blog', false],
    ['https://example.com/blog/1', 'EXAMPLE.com/blog/*', true],
    ['https://a.example.com/', '*.example.com', true],
    ['https://example.com/', 'https://example.com', true],
    ['https://example.com/', '', false],
    ['nonsense', 'example.com', false],
  ] as const) {
    test(`${domain} ${expected ? 'has' : 'does not have'} ${address}`, () =>
      assert.equal(isFromDomain(address, domain), expected));
  }
});

suite('citations', () => {
  const results = [
    { title: 'A', url: 'https://example.org/a', text: '' },
    { title: 'Root', url: 'https://example.org', text: '' },
    { title: 'A', url: 'https://example.org/a', text: '' },
  ];
  test('are the addresses of results that the text names, whole and once each', () => {
    const text = 'See [this](https://example.org/a), https://example.org/ab and https://example.org.';
    assert.deepEqual(
      citationsIn(text, results).map(({ url, start, end }) => [url, text.slice(start, end), start]),
      [
        ['https://example.org/a', 'https://example.org/a', 11],
        ['https://example.org', 'https://example.org', 62],
      ],
    );
  });
  test('are none for a text without addresses', () => assert.deepEqual(citationsIn('A llama.', results), []));
});
