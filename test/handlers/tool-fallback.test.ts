import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type TestGateway, ending, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream as streaming } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const parameters = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] };
const tools = [{ type: 'function', function: { name: 'look_up', description: 'Looks up.', parameters } }];
const user = { role: 'user', content: 'Name a bird.' };
const pieces = [
  'One ',
  'moment.',
  '\n<tool',
  '_call>\n{"name": "look_up", ',
  '"arguments": {"place": "reed"}}',
  '\n</tool_call>',
];

/** Requests in every dialect; the second turn contains a call and its result. */
const dialects: Record<string, { path: string; first: object; second: object }> = {
  'chat completions': {
    path: '/v1/chat/completions',
    first: { messages: [user], tools },
    second: {
      messages: [
        user,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look_up', arguments: '{"place":"pond"}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'a heron' },
      ],
      tools,
    },
  },
  responses: {
    path: '/v1/responses',
    first: { input: 'Name a bird.', tools: [{ type: 'function', name: 'look_up', parameters }] },
    second: {
      input: [
        user,
        { type: 'function_call', call_id: 'c1', name: 'look_up', arguments: '{"place":"pond"}' },
        { type: 'function_call_output', call_id: 'c1', output: 'a heron' },
      ],
      tools: [{ type: 'function', name: 'look_up', parameters }],
    },
  },
  messages: {
    path: '/v1/messages',
    first: { max_tokens: 90, messages: [user], tools: [{ name: 'look_up', input_schema: parameters }] },
    second: {
      max_tokens: 90,
      messages: [
        user,
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'look_up', input: { place: 'pond' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'a heron' }] },
      ],
      tools: [{ name: 'look_up', input_schema: parameters }],
    },
  },
  "Ollama's chat": {
    path: '/api/chat',
    first: { messages: [user], tools },
    second: {
      messages: [
        user,
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ function: { name: 'look_up', arguments: { place: 'pond' } } }],
        },
        { role: 'tool', tool_name: 'look_up', content: 'a heron' },
      ],
      tools,
    },
  },
};

const noTools: Answer = (res) =>
  void res.writeHead(400).end('{"error":"registry.ollama.ai/library/scripted-plain:latest does not support tools"}');

function ollamaAnswer(capabilities: readonly string[]): Answer {
  return async (res, request) => {
    if (request.url === '/api/show') return void res.end(JSON.stringify({ capabilities }));
    if ('tools' in (JSON.parse(request.body) as object)) return await noTools(res, request);
    ndjson(res);
    for (const piece of pieces) res.write(chatLine(piece));
    res.end(doneLine());
  };
}

async function backed(kind: 'ollama' | 'openai', mode: string) {
  const isOllama = kind === 'ollama';
  const chunks = pieces.map((content) => chunk({ content }));
  const upstream = isOllama
    ? await fakeUpstream(ollamaAnswer(['completion']))
    : await openaiUpstream(streaming([...chunks, chunk({}, 'stop')]));
  const models = [{ match: '*', tools: mode }];
  const gateway = await testGateway(upstream, { upstream: { kind, url: upstream.url }, models });
  return { gateway, upstream, model: isOllama ? 'scripted-plain' : 'scripted', ...ending(gateway, upstream) };
}

async function post(gateway: TestGateway, path: string, body: object): Promise<Response> {
  return await gateway.fetch(path, { method: 'POST', body: JSON.stringify(body) });
}

function lastSent(upstream: FakeUpstream): { messages: { role: string; content: string }[]; tools?: unknown } {
  const sent = upstream.requests.findLast(({ url }) => url !== '/api/show')?.body ?? '';
  return JSON.parse(sent) as ReturnType<typeof lastSent>;
}

suite('tools for a model without tool support', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    for (const [dialect, { path, first, second }] of Object.entries(dialects)) {
      for (const stream of [false, true]) {
        test(`are emulated for ${dialect} on ${kind}, ${stream ? 'streamed' : 'whole'}`, async () => {
          await using backend = await backed(kind, 'emulate');
          const { gateway, model, upstream } = backend;
          const response = await post(gateway, path, { model, ...first, stream });
          const answer = await response.text();
          assert.equal(response.status, 200, answer);
          assert.equal(response.headers.get('x-llamaduct-tools'), 'emulate');
          assert.match(answer, /"name":"look_up"/);
          assert.match(answer, /place\\?": ?\\?"reed/);
          assert.doesNotMatch(answer, /<tool_call>|<tool/);
          assert.match(answer, /One/);
          if (path !== '/api/chat' && path !== '/v1/responses') assert.match(answer, /"tool_calls"|"tool_use"/);
          const { messages, tools: sentTools } = lastSent(upstream);
          assert.equal(sentTools, undefined);
          assert.match(messages[0]?.content ?? '', /<tools>\n.*"look_up".*\n<\/tools>/);

          await (await post(gateway, path, { model, ...second, stream })).text();
          const history = lastSent(upstream).messages;
          assert.deepEqual(
            history.map(({ role }) => role),
            ['system', 'user', 'assistant', 'user'],
          );
          assert.match(
            history[2]?.content ?? '',
            /^<tool_call>\n\{"name":"look_up","arguments":\{"place":"pond"\}\}\n<\/tool_call>$/,
          );
          assert.equal(history[3]?.content, '<tool_response>\na heron\n</tool_response>');
        });
      }

      test(`are dropped for ${dialect} on ${kind}`, async () => {
        await using backend = await backed(kind, 'drop');
        const response = await post(backend.gateway, path, { model: backend.model, ...first, stream: false });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('x-llamaduct-tools'), 'drop');
        assert.match(response.headers.get('x-llamaduct-dropped') ?? '', /tools/);
        assert.doesNotMatch(JSON.stringify(lastSent(backend.upstream)), /look_up/);
        await response.text();
      });

      test(`are refused for ${dialect} on ${kind}`, async () => {
        await using backend = await backed(kind, 'refuse');
        const response = await post(backend.gateway, path, { model: backend.model, ...first, stream: false });
        assert.equal(response.status, 400);
        assert.match(await response.text(), /takes no tools here/);
        const label = kind === 'ollama' ? 'scripted-plain:latest' : 'scripted';
        const series = `llamaduct_tool_fallbacks_total{model="${label}",mode="refuse"}`;
        assert.equal(await backend.gateway.metric(series), 1);
      });
    }
  }

  test('only the first call counts with parallel_tool_calls: false', async () => {
    const call = '<tool_call>{"name": "look_up", "arguments": {"place": "reed"}}</tool_call>';
    await using upstream = await fakeUpstream((res) => void ndjson(res).end(chatLine(call + call) + doneLine()));
    await using gateway = await testGateway(upstream, { models: [{ match: '*', tools: 'emulate' }] });
    for (const [parallel, count] of [
      [true, 2],
      [false, 1],
    ] as const) {
      const answer = await (await gateway.chat({ tools, parallel_tool_calls: parallel })).text();
      assert.equal(answer.match(/"name":"look_up"/g)?.length, count);
    }
  });

  test('a required call is constrained by a format on Ollama', async () => {
    await using upstream = await fakeUpstream(async (res, request) => {
      if (request.url === '/api/show' || request.body.includes('"tools"')) return await noTools(res, request);
      ndjson(res).end(chatLine('{"name": "look_up", "arguments": {"place": "reed"}}') + doneLine());
    });
    await using gateway = await testGateway(upstream, { models: [{ match: '*', tools: 'emulate' }] });
    const answer = await (await gateway.chat({ tools, tool_choice: 'required' })).text();
    assert.match(answer, /"finish_reason":"tool_calls"/);
    assert.ok('format' in lastSent(upstream));
  });

  test('are sent to a model that supports them, whatever the rule says', async () => {
    for (const mode of ['emulate', 'drop', 'refuse']) {
      await using upstream = await fakeUpstream((res, { url }) => {
        if (url === '/api/show') res.end(JSON.stringify({ capabilities: ['completion', 'tools'] }));
        else ndjson(res).end(chatLine('Hi') + doneLine());
      });
      await using gateway = await testGateway(upstream, { models: [{ match: '*', tools: mode }] });
      const response = await gateway.chat({ tools });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('x-llamaduct-tools'), null);
      assert.ok('tools' in lastSent(upstream));
    }
  });

  for (const kind of ['ollama', 'openai'] as const) {
    for (const [dialect, { path, first }] of Object.entries(dialects)) {
      // Ollama's own API is passed through to Ollama.
      if (kind === 'ollama' && path === '/api/chat') continue;
      for (const stream of [false, true]) {
        test(`are emulated without a rule for ${dialect} on ${kind}, ${stream ? 'streamed' : 'whole'}, and refused only once`, async () => {
          await using backend = await refusing(kind);
          const { gateway, model, upstream } = backend;
          for (const turn of [1, 2]) {
            const response = await post(gateway, path, { model, ...first, stream });
            const answer = await response.text();
            assert.equal(response.status, 200, answer);
            assert.equal(response.headers.get('x-llamaduct-tools'), 'emulate');
            assert.match(answer, /"name":"look_up"/);
            assert.doesNotMatch(answer, /<tool_call>/);
            assert.equal(refusedOf(upstream), 1, `turn ${turn}`);
          }
          const label = kind === 'ollama' ? 'scripted-plain:latest' : 'scripted';
          const series = `llamaduct_tool_fallbacks_total{model="${label}",mode="emulate"}`;
          assert.equal(await gateway.metric(series), 2);
        });
      }
    }
  }

  test("are refused in Ollama's own API without a rule", async () => {
    await using upstream = await fakeUpstream(ollamaAnswer(['completion']));
    await using gateway = await testGateway(upstream);
    const response = await post(gateway, '/api/chat', { model: 'scripted-plain', messages: [user], tools });
    assert.equal(response.status, 400);
    assert.match(await response.text(), /does not support tools/);
  });

  test('are an error if one has to be called and the model calls none', async () => {
    await using upstream = await openaiUpstream((res, request) => {
      if (request.body.includes('"tools"'))
        return void res.writeHead(500).end('{"error":{"message":"tools param requires --jinja flag"}}');
      return streaming([chunk({ content: 'No.' }), chunk({}, 'stop')])(res, request);
    });
    const models = [{ match: '*', max_tokens: 500 }];
    await using gateway = await testGateway([{ name: 'other', kind: 'openai', url: upstream.url }], { models });
    const response = await gateway.chat({ model: 'scripted', tools, tool_choice: 'required' });
    assert.match(await response.text(), /did not call the required tool/);
    assert.equal(response.status, 502);
  });
});

async function refusing(kind: 'ollama' | 'openai') {
  const refusal = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set';
  const answering = streaming([...pieces.map((content) => chunk({ content })), chunk({}, 'stop')]);
  const upstream =
    kind === 'ollama'
      ? await fakeUpstream(ollamaAnswer(['completion']))
      : await openaiUpstream((res, request) => {
          if (!request.body.includes('"tools"')) return answering(res, request);
          res.writeHead(400, { 'content-type': 'application/json' });
          res.end(JSON.stringify({ object: 'error', message: refusal, type: 'BadRequestError', code: 400 }));
        });
  const gateway = await testGateway(upstream, { upstream: { kind, url: upstream.url } });
  return { gateway, upstream, model: kind === 'ollama' ? 'scripted-plain' : 'scripted', ...ending(gateway, upstream) };
}

function refusedOf({ requests }: FakeUpstream): number {
  return requests.filter(({ body }) => body.includes('"tools":')).length;
}
