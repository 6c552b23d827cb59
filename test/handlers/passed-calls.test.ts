import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Emit } from '../../src/chat/event.ts';
import { mendCalls } from '../../src/calls/mend-calls.ts';
import { callsInText } from '../../src/calls/text/text-calls.ts';
import { ToolNames } from '../../src/calls/tool-names.ts';
import { PassedCalls, filterEvents } from '../../src/streaming/passed-calls.ts';
import { ending, testGateway } from '../helpers/gateway.ts';
import { chunk, stream as streaming } from '../helpers/openai-answers.ts';
import { openaiUpstream } from '../helpers/upstream.ts';

const parameters = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] };
const tools = [{ type: 'function', function: { name: 'look_up', parameters } }];
const json = '{"name": "look_up", "arguments": {"place": "reed"}}';

async function passed(chunks: readonly object[]) {
  const upstream = await openaiUpstream(async (res, request) => {
    if (request.body.includes('"stream":true')) return await streaming(chunks)(res, request);
    const message = { role: 'assistant', content: `One <tool_call>${json}</tool_call>` };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: 'x', own: 1.5, choices }));
  });
  const gateway = await testGateway(upstream, { upstream: { kind: 'openai', url: upstream.url } });
  return { gateway, upstream, ...ending(gateway, upstream) };
}

function sent(chunks: readonly object[]): string {
  return [...chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`), 'data: [DONE]\n\n'].join('');
}

interface Seen {
  readonly choices: readonly {
    readonly delta: {
      readonly content?: string | null;
      readonly tool_calls?: readonly { readonly function: object }[];
    };
    readonly finish_reason: string | null;
  }[];
}

function seenIn(text: string): { content: string; calls: readonly object[]; reasons: readonly string[] } {
  const chunks = text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)) as Seen)
    .flatMap(({ choices }) => choices);
  return {
    content: chunks.map(({ delta }) => delta.content ?? '').join(''),
    calls: chunks.flatMap(({ delta }) => delta.tool_calls ?? []).map((call) => call.function),
    reasons: chunks.flatMap(({ finish_reason: reason }) => (reason === null ? [] : [reason])),
  };
}

const event = (content: string): string => `event: x\r\nid: 3\r\ndata: ${JSON.stringify(chunk({ content }))}\r\n\r\n`;

const call = (args: string, name = 'look_up'): object =>
  chunk({ tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name, arguments: args } }] });

suite('tool calls of a chat completion that is passed through', () => {
  test('stay byte for byte the same if nothing is wrong with them', async () => {
    const chunks = [
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Let me [see](x) 3 < 4\n\n{ } ' }),
      call('{"pla'),
      chunk({ tool_calls: [{ index: 0, function: { arguments: 'ce": "reed"}' } }] }),
      chunk({}, 'tool_calls'),
    ];
    await using backend = await passed(chunks);
    const response = await backend.gateway.chat({ model: 'scripted', tools, stream: true });
    assert.equal(await response.text(), sent(chunks));
  });

  test('leave line ends, comments and fields of events as they are, wherever text may begin a call', async () => {
    const events = [
      ': one\r\n\r\n',
      ...['ä [', 'b] <', ' `c` ['].map((content) => event(content)),
      'data: [DONE]\r\n\r\n',
    ];
    const upstream = await openaiUpstream((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).end(events.join(''));
    });
    const gateway = await testGateway(upstream, { upstream: { kind: 'openai', url: upstream.url } });
    await using _ = ending(gateway, upstream);
    const response = await gateway.chat({ model: 'scripted', tools, stream: true });
    assert.equal(await response.text(), events.join(''));
  });

  test('are mended in their arguments and name', async () => {
    await using backend = await passed([call("{'place': 'reed',", 'Look-Up'), chunk({}, 'tool_calls')]);
    const response = await backend.gateway.chat({ model: 'scripted', tools, stream: true });
    const { calls, reasons } = seenIn(await response.text());
    assert.deepEqual(calls, [{ name: 'look_up', arguments: '{"place": "reed"}' }]);
    assert.deepEqual(reasons, ['tool_calls']);
  });

  test('are read from a text', async () => {
    const texts = ['One', ' moment. <tool', `_call>${json.slice(0, 20)}`, `${json.slice(20)}</tool_call>`];
    await using backend = await passed([...texts.map((content) => chunk({ content })), chunk({}, 'stop')]);
    const response = await backend.gateway.chat({ model: 'scripted', tools, stream: true });
    assert.deepEqual(seenIn(await response.text()), {
      content: 'One moment. ',
      calls: [{ name: 'look_up', arguments: '{"place":"reed"}' }],
      reasons: ['tool_calls'],
    });
    const series = 'llamaduct_tool_calls_repaired_total{model="scripted",upstream="ollama",repair="text"}';
    assert.equal(await backend.gateway.metric(series), 1);
  });

  test('are read from the text of a whole answer, and leave its other fields', async () => {
    await using backend = await passed([]);
    const response = await backend.gateway.chat({ model: 'scripted', tools });
    const { choices, ...rest } = (await response.json()) as { choices: { message: object; finish_reason: string }[] };
    assert.deepEqual(rest, { id: 'x', own: 1.5 });
    assert.equal(choices[0]?.finish_reason, 'tool_calls');
    assert.match(JSON.stringify(choices[0]?.message), /"content":"One ".*"name":"look_up"/);
  });

  test('are not looked for without tools, with tool_choice none and in structured outputs', async () => {
    const chunks = [chunk({ content: `<tool_call>${json}</tool_call>` }), chunk({}, 'stop')];
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } };
    for (const body of [{}, { tools, tool_choice: 'none' }, { tools, response_format: format }]) {
      await using backend = await passed(chunks);
      const response = await backend.gateway.chat({ model: 'scripted', ...body, stream: true });
      assert.equal(await response.text(), sent(chunks));
    }
  });

  test('give the same answer however its text and bytes are divided', () => {
    const names = new ToolNames([{ name: 'look_up' }]);
    const mending = (emit: Emit): Emit =>
      callsInText(
        mendCalls(emit, names, () => undefined),
        { names, maxHeld: 10_000, newId: () => 'call_1' },
      );
    const fragment = fc.constantFrom(
      `<tool_call>${json}</tool_call>`,
      'a',
      ' <',
      '\n',
      '[',
      'é',
      json,
      '<tool_call>',
      '{',
      'Done. ',
      ' go on',
      ': ',
      '"""',
      '`',
      '```\n',
      '<!--',
      '-->',
      '<b c>',
      '> ',
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 6 }), sizes, sizes, (fragments, textSizes, byteSizes) => {
        const text = fragments.join('');
        const texts = divided(text, textSizes);
        const bytes = Buffer.from(sent([...texts.map((content) => chunk({ content })), chunk({}, 'stop')]));
        const filter = filterEvents(new PassedCalls(mending), 100_000);
        let out = '';
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const size = byteSizes[turn % byteSizes.length] ?? 1;
          out += filter.push(bytes.subarray(at, at + size));
          at += size;
        }
        out += filter.end();
        const whole = filterEvents(new PassedCalls(mending), 100_000);
        const once = whole.push(Buffer.from(sent([chunk({ content: text }), chunk({}, 'stop')]))) + whole.end();
        assert.deepEqual(seenIn(out), seenIn(once));
        if (seenIn(out).calls.length === 0) assert.equal(seenIn(out).content, text);
      }),
    );
  });
});

function divided(text: string, sizes: readonly number[]): string[] {
  const pieces: string[] = [];
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return pieces;
}
