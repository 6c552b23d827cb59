import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { json } from '../helpers/answers.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { failing } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { hello, start, webSearch } from './helpers.ts';
import { found, search, searching, searxng, turns } from './origin.ts';

const script = [{ calls: [search('llama')] }, { text: 'A camelid.' }];
const gemini = '/v1beta/models/scripted-plain';
const geminiRequest = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }], tools: [{ googleSearch: {} }] };
const request = { max_tokens: 9, messages: hello, tools: [{ ...webSearch, allowed_callers: ['x'] }] };

for (const stream of [false, true]) {
  test(`usage counts every turn of an answer that searches, and its lost fields once, stream ${stream}`, async () => {
    await using setup = await start({ turns: script });
    const { response } = await setup.post('/v1/messages', { ...request, stream });
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'tools.allowed_callers');
    const lossy = 'llamaduct_translation_lossy_total{field="tools.allowed_callers"}';
    assert.equal(await setup.gateway.metric(lossy), 1);
    const tokens = (type: string): string =>
      `llamaduct_tokens_total{key="tester",model="scripted-plain:latest",type="${type}"}`;
    assert.equal(await setup.gateway.metric(tokens('input')), 20);
    assert.equal(await setup.gateway.metric(tokens('output')), 10);
    await until('the usage row', async () => {
      const usage = await (await setup.gateway.fetch('/v1/usage')).text();
      return /"input_tokens":20\b/.test(usage) && /"output_tokens":10\b/.test(usage);
    });
  });

  for (const [path, body, expected] of [
    ['/v1/messages', { ...request, stream }, /"web_search_result".*A camelid\./s],
    [`${gemini}:${stream ? 'streamG' : 'g'}enerateContent`, geminiRequest, /A camelid\..*"groundingChunks"/s],
  ] as const) {
    test(`a later turn that fails goes to another server, ${path}, stream ${stream}`, async () => {
      await failOver(path, body, expected);
    });
  }
}

test('a reload turns web search on and off', async () => {
  await using setup = await start({
    turns: [{ calls: [search('x')] }, { text: 'Found.' }],
    search: false,
    answer: json(200, { results: found }),
  });
  assert.match((await setup.post('/v1/messages', request)).text, /"error_code":"unavailable"/);
  const { upstreams: _, ...file } = configSchema.parse({
    listen: '127.0.0.1:0',
    keys: [{ name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] }],
    ...searching(setup.origin),
  });
  const config = {
    ...file,
    upstreams: [{ name: 'ollama', kind: 'ollama' as const, url: setup.upstream.url }] as const,
  };
  await setup.gateway.reload(async () => await Promise.resolve(config));
  assert.match((await setup.post('/v1/messages', request)).text, /"web_search_result".*Found\./);
});

/** Sends a request whose second turn fails on its first server. */
async function failOver(path: string, body: object, expected: RegExp): Promise<void> {
  await using origin = await searxng();
  const model = turns('ollama', ...script);
  const served: string[] = [];
  const server =
    (name: string): Answer =>
    async (res, seen) => {
      if (seen.url === '/api/chat') served.push(name);
      if (seen.url === '/api/chat' && served.length === 2) return await failing(503)(res, seen);
      await model(res, seen);
    };
  await using one = await fakeUpstream(server('one'));
  await using two = await fakeUpstream(server('two'));
  const upstreams = [
    { name: 'one', kind: 'ollama', url: one.url },
    { name: 'two', kind: 'ollama', url: two.url },
  ] as const;
  await using gateway = await testGateway(upstreams, {
    ...searching(origin),
    retries: { attempts: 3, base: '1ms', share: 1 },
  });
  const init = { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', ...body }) };
  const response = await gateway.fetch(path, init);
  assert.equal(response.status, 200);
  assert.match(await response.text(), expected);
  assert.equal(served.length, 3);
  assert.notEqual(served[1], served[2]);
}
