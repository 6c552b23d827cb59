import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ending, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream as streaming, usageChunk } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const parameters = {
  type: 'object',
  properties: { place: { type: 'string' }, count: { type: 'integer' } },
  required: ['place'],
};
const tools = [{ type: 'function', function: { name: 'look_up', parameters } }];

/** A call in an answer: its name and arguments, or text. */
type Turn = readonly [name: string, args: string] | string;
const good: Turn = ['look_up', '{"place":"reed"}'];

function ollamaTurn(turn: Turn): Answer {
  return (res) => {
    ndjson(res);
    if (typeof turn === 'string') res.write(chatLine(turn));
    else {
      const call = { function: { name: turn[0], arguments: JSON.parse(turn[1]) as object } };
      res.write(
        `${JSON.stringify({ message: { role: 'assistant', content: '', tool_calls: [call] }, done: false })}\n`,
      );
    }
    res.end(doneLine());
  };
}

function openaiTurn(turn: Turn): Answer {
  const answer =
    typeof turn === 'string'
      ? [chunk({ content: turn }), chunk({}, 'stop')]
      : [
          chunk({
            tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: turn[0], arguments: turn[1] } }],
          }),
          chunk({}, 'tool_calls'),
        ];
  return streaming([...answer, usageChunk(7, 3)]);
}

async function backed(kind: 'ollama' | 'openai', turns: readonly (Turn | Answer)[], attempts = 2) {
  let at = 0;
  const answer: Answer = async (res, request) => {
    const turn = turns[Math.min(at, turns.length - 1)] ?? '';
    at += 1;
    const answering = typeof turn === 'function' ? turn : kind === 'ollama' ? ollamaTurn(turn) : openaiTurn(turn);
    await answering(res, request);
  };
  const upstream = kind === 'ollama' ? await fakeUpstream(answer) : await openaiUpstream(answer);
  const models = [{ match: '*', repair_tools: attempts }];
  const gateway = await testGateway(upstream, {
    upstream: { kind, url: upstream.url },
    models,
    timeouts: { silence: '50ms' },
  });
  const model = kind === 'ollama' ? 'scripted-plain' : 'scripted';
  const label = kind === 'ollama' ? 'scripted-plain:latest' : 'scripted';
  const outcome = async (name: string): Promise<number> =>
    await gateway.metric(`llamaduct_tool_repairs_total{model="${label}",upstream="ollama",outcome="${name}"}`);
  const chat = async (body: object = {}): Promise<Response> => await gateway.chat({ model, tools, ...body });
  return { gateway, upstream, model, chat, outcome, ...ending(gateway, upstream) };
}

const faulty: readonly (readonly [string, Turn, RegExp])[] = [
  ['a missing argument', ['look_up', '{"count":1}'], /required arguments of look_up are missing: place/],
  ['an argument of a wrong type', ['look_up', '{"place":3}'], /properties\/place\/type/],
  ['an unknown tool', ['fly_away', '{}'], /there is no tool .*fly_away.*The tools are: look_up/],
  ['a broken text', 'Well: <tool_call>{"name": "look_up", "arguments": {"place": "re</tool_call>', /could not be read/],
];

suite('repair_tools', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    for (const stream of [false, true]) {
      const how = `on ${kind}, ${stream ? 'streamed' : 'whole'}`;
      for (const [what, turn, message] of faulty) {
        test(`asks the model again for ${what} ${how}`, async () => {
          await using backend = await backed(kind, [turn, good]);
          const answer = await (await backend.chat({ stream })).text();
          assert.match(answer, /"name":"look_up"/);
          assert.match(answer, /reed/);
          assert.doesNotMatch(answer, /fly_away|Well|count/);
          assert.equal(backend.upstream.requests.length, 2);
          assert.match(backend.upstream.requests[1]?.body ?? '', message);
          assert.equal(await backend.outcome('repaired'), 1);
        });
      }

      test(`sends the last answer as it is after the last attempt ${how}`, async () => {
        await using backend = await backed(kind, [['fly_away', '{}']]);
        const answer = await (await backend.chat({ stream })).text();
        assert.match(answer, /"name":"fly_away"/);
        assert.equal(backend.upstream.requests.length, 3);
        assert.equal(await backend.outcome('failed'), 1);
      });

      test(`sends the last answer if the next request fails ${how}`, async () => {
        const failing: Answer = (res) => void res.writeHead(500).end('{"error":"broken"}');
        await using backend = await backed(kind, [['fly_away', '{}'], failing]);
        const response = await backend.chat({ stream });
        assert.equal(response.status, 200);
        assert.match(await response.text(), /"name":"fly_away"/);
      });

      test(`counts the tokens of every attempt ${how}`, async () => {
        await using backend = await backed(kind, [['fly_away', '{}'], good]);
        await (await backend.chat({ stream })).text();
        await using once = await backed(kind, [good]);
        await (await once.chat({ stream })).text();
        const tokens = async ({ gateway, model }: typeof backend): Promise<number> => {
          const label = model === 'scripted' ? model : `${model}:latest`;
          return await gateway.metric(`llamaduct_tokens_total{key="tester",model="${label}",type="output"}`);
        };
        assert.equal(await tokens(backend), 2 * (await tokens(once)));
        assert.ok((await tokens(once)) > 0);
      });
    }

    test(`ends when the client leaves, on ${kind}`, async () => {
      let onLeft = (): void => undefined;
      const left = new Promise<void>((resolve) => (onLeft = resolve));
      const silent: Answer = (res) => void res.once('close', onLeft);
      await using backend = await backed(kind, [['fly_away', '{}'], silent]);
      const leaving = new AbortController();
      const answer = backend.gateway.chat({ model: backend.model, tools, stream: true }, { signal: leaving.signal });
      const response = await answer;
      while (backend.upstream.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
      leaving.abort();
      await assert.rejects(response.text());
      await left;
    });

    test(`sends heartbeats while it asks again, on ${kind}`, async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const late: Answer = async (res, request) => {
        await held;
        await (kind === 'ollama' ? ollamaTurn(good) : openaiTurn(good))(res, request);
      };
      await using backend = await backed(kind, [['fly_away', '{}'], late]);
      const response = await backend.chat({ stream: true });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      assert.doesNotMatch((await reader?.read())?.value ?? '', /fly_away/);
      release();
      let text = '';
      for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) text += part.value;
      assert.match(text, /look_up/);
    });
  }

  test('asks nothing again without the setting, without tools and for good calls', async () => {
    for (const [turn, attempts, body] of [
      [['fly_away', '{}'], 0, {}],
      ['<tool_call>{"name": "look_up", "argu</tool_call>', 2, { tools: [] }],
      [good, 2, {}],
      ['Write <tool_call> first, then:\n```\n<tool_call>{"name": "x"}</tool_call>\n```', 2, {}],
    ] as const) {
      await using backend = await backed('openai', [turn], attempts);
      await (await backend.chat(body)).text();
      assert.equal(backend.upstream.requests.length, 1);
    }
  });
});
