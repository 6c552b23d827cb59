import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ending, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream as streaming } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const parameters = { type: 'object', properties: { place: { type: 'string' } } };
const tools = [{ type: 'function', function: { name: 'look_up', parameters } }];
const user = { role: 'user', content: 'Name a bird.' };

/** The bodies of requests in every dialect, and where their answers have the arguments. */
const dialects: Record<string, { path: string; body: object; read: (answer: never) => unknown }> = {
  'chat completions': {
    path: '/v1/chat/completions',
    body: { messages: [user], tools },
    read: (answer: { choices: { message: { tool_calls: { function: { arguments: string } }[] } }[] }) =>
      answer.choices[0]?.message.tool_calls[0]?.function.arguments,
  },
  responses: {
    path: '/v1/responses',
    body: { input: 'Name a bird.', tools: [{ type: 'function', name: 'look_up', parameters }] },
    read: (answer: { output: { arguments?: string }[] }) =>
      answer.output.find((item) => 'arguments' in item)?.arguments,
  },
  messages: {
    path: '/v1/messages',
    body: { max_tokens: 90, messages: [user], tools: [{ name: 'look_up', input_schema: parameters }] },
    read: (answer: { content: { input?: unknown }[] }) => answer.content.find((block) => 'input' in block)?.input,
  },
  "Ollama's chat": {
    path: '/api/chat',
    body: { messages: [user], tools },
    read: (answer: { message: { tool_calls: { function: { arguments: unknown } }[] } }) =>
      answer.message.tool_calls[0]?.function.arguments,
  },
};

async function backed(kind: 'ollama' | 'openai', text: string) {
  if (kind === 'ollama') {
    const message = {
      role: 'assistant',
      content: '',
      tool_calls: [{ id: 'call_z1', function: { name: 'look_up', arguments: text } }],
    };
    const upstream = await fakeUpstream((res, { body }) => {
      if (!body.includes('"stream":false')) ndjson(res).end(chatLine('', { message }) + doneLine());
      else
        res.setHeader('content-type', 'application/json').end(JSON.stringify({ ...JSON.parse(doneLine()), message }));
    });
    const gateway = await testGateway(upstream);
    return {
      gateway,
      model: 'scripted-plain',
      label: 'scripted-plain:latest',
      name: 'ollama',
      ...ending(gateway, upstream),
    };
  }
  const call = { index: 0, id: 'call_z1', type: 'function', function: { name: 'look_up', arguments: text } };
  const upstream = await openaiUpstream(streaming([chunk({ tool_calls: [call] }), chunk({}, 'tool_calls')]));
  // A rule keeps requests from being passed through.
  const models = [{ match: '*', max_tokens: 500 }];
  const gateway = await testGateway([{ name: 'other', kind: 'openai', url: upstream.url }], { models });
  return { gateway, model: 'scripted', label: 'scripted', name: 'other', ...ending(gateway, upstream) };
}

suite('arguments that are not the JSON of an object', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    for (const [dialect, { path, body, read }] of Object.entries(dialects)) {
      for (const text of ['{"place": "ree', 'the reed by the pond']) {
        test(`${JSON.stringify(text)} of a server of kind ${kind} reaches a client of ${dialect}`, async () => {
          await using backend = await backed(kind, text);
          const send = async (stream: boolean): Promise<Response> =>
            await backend.gateway.fetch(path, {
              method: 'POST',
              body: JSON.stringify({ model: backend.model, ...body, stream }),
            });
          const whole = await send(false);
          assert.equal(whole.status, 200);
          assert.equal(read((await whole.json()) as never), text);
          const streamed = await (await send(true)).text();
          assert.ok(streamed.includes(JSON.stringify(text)), streamed);
          assert.doesNotMatch(streamed, /"error":[^n]/);
        });
      }
    }
  }
});

suite('arguments that can be mended', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    for (const [dialect, { path, body, read }] of Object.entries(dialects)) {
      test(`of a server of kind ${kind} reach a client of ${dialect} as an object, and are counted`, async () => {
        await using backend = await backed(kind, "```json\n{'place': 'reed', \"digits\": 9007199254740993,\n```");
        const send = async (stream: boolean): Promise<Response> =>
          await backend.gateway.fetch(path, {
            method: 'POST',
            body: JSON.stringify({ model: backend.model, ...body, stream }),
          });
        const answer = await (await send(false)).text();
        // Ollama's own API is passed through on Ollama, whose calls have an object in any case.
        if (kind === 'ollama' && path === '/api/chat') return;
        assert.match(answer, /9007199254740993/);
        const args = read(JSON.parse(answer) as never);
        const place = typeof args === 'string' ? (JSON.parse(args) as object) : args;
        assert.partialDeepStrictEqual(place, { place: 'reed' });
        const streamed = await (await send(true)).text();
        assert.match(streamed, /\{\\?"place\\?": ?\\?"reed\\?"/);
        const series = `llamaduct_tool_calls_repaired_total{model="${backend.label}",upstream="${backend.name}",repair="arguments"}`;
        assert.equal(await backend.gateway.metric(series), 2);
      });
    }
  }
});
