import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatEvent, FinishReason } from '../../src/chat/event.ts';
import { callsInText } from '../../src/calls/text/text-calls.ts';
import { ToolNames } from '../../src/calls/tool-names.ts';

const tools = [{ name: 'get_weather' }, { name: 'write' }, { name: 'mcp__vault__get_secret' }];
const names = new ToolNames(tools);

interface Read {
  readonly text: string;
  readonly calls: readonly (readonly [string, unknown])[];
  readonly reason: FinishReason | undefined;
}

/** Reads a text that arrives in pieces of `size` characters. */
function read(text: string, size: number, reason: FinishReason = 'stop', maxHeld = 10_000): Read {
  const events: ChatEvent[] = [];
  const emit = callsInText((event) => events.push(event), { names, maxHeld, newId });
  for (let at = 0; at < text.length; at += size) emit({ type: 'text', text: text.slice(at, at + size) });
  emit({ type: 'finish', reason, usage: { inputTokens: 1, outputTokens: 1 }, timings: {} });
  const last = events.at(-1);
  return {
    text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''),
    calls: events.flatMap((event) =>
      event.type === 'tool-call' ? [[event.name, JSON.parse(event.arguments) as unknown] as const] : [],
    ),
    reason: last?.type === 'finish' ? last.reason : undefined,
  };
}

const newId = (): string => 'call_1';

const oslo = ['get_weather', { city: 'Oslo' }] as const;
const bergen = ['get_weather', { city: 'Bergen' }] as const;
const json = '{"name": "get_weather", "arguments": {"city": "Oslo"}}';
const jsonBergen = '{"name": "get_weather", "arguments": {"city": "Bergen"}}';

const formats: readonly (readonly [string, string, Read['calls']])[] = [
  ['Hermes', `<tool_call>\n${json}\n</tool_call>`, [oslo]],
  ['Hermes, twice', `<tool_call>${json}</tool_call>\n<tool_call>${jsonBergen}</tool_call>`, [oslo, bergen]],
  ['Hermes, not closed', `<tool_call>\n${json}`, [oslo]],
  ['Hermes, a brace missing', `<tool_call>\n${json.slice(0, -1)}\n</tool_call>`, [oslo]],
  ['Hermes with single quotes', `<tool_call>\n${json.replaceAll('"', "'")}\n</tool_call>`, [oslo]],
  [
    'Qwen Coder',
    '<tool_call>\n<function=write>\n<parameter=path>\na.txt\n</parameter>\n<parameter=lines>\n2\n</parameter>\n</function>\n</tool_call>',
    [['write', { path: 'a.txt', lines: 2 }]],
  ],
  ['Qwen Coder without the outer tag', '<function=get_weather><parameter=city>Oslo</parameter></function>', [oslo]],
  ['Mistral', `[TOOL_CALLS] [${json}, ${jsonBergen}]`, [oslo, bergen]],
  [
    'Mistral, one for each mark',
    '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]get_weather{"city": "Bergen"}',
    [oslo, bergen],
  ],
  ['Mistral with an id', '[TOOL_CALLS]get_weather[CALL_ID]abc123[ARGS]{"city": "Oslo"}', [oslo]],
  ["Llama's Python", `[get_weather(city="Oslo"), get_weather(city='Bergen')]`, [oslo, bergen]],
  [
    "Llama's Python with other values",
    '[write(path="a, (b)", lines=[1, 2], force=True)]',
    [['write', { path: 'a, (b)', lines: [1, 2], force: true }]],
  ],
  ["Llama's Python without arguments", '[write()]', [['write', {}]]],
  ["Llama's Python after its mark", '<|python_tag|>[get_weather(city="Oslo")]<|eom_id|>', [oslo]],
  ["Llama's JSON", '{"name": "get_weather", "parameters": {"city": "Oslo"}}', [oslo]],
  ["Llama's JSON with a type", '{"type": "function", "name": "get_weather", "parameters": {"city": "Oslo"}}', [oslo]],
  ['JSON in a list', `[${json}, ${jsonBergen}]`, [oslo, bergen]],
  ['a code fence', `\`\`\`json\n${json}\n\`\`\``, [oslo]],
];

const texts: readonly (readonly [string, string])[] = [
  ['prose', 'It rains in [Oslo](https://example.com), 3 < 4, `a` {"b": 1}.'],
  ['other JSON', '{"city": "Oslo"}'],
  ['a list', '[1, 2, 3]'],
  ['code', '```js\nget_weather();\n```'],
  ['a call of an unknown tool', '<tool_call>{"name": "nobody", "arguments": {}}</tool_call>'],
  ['JSON with the name of an unknown tool', '{"name": "Anna", "arguments": {}}'],
  ['a mark in prose', 'Hermes writes <tool_call> before a call.'],
  ['the beginning of a mark', 'a <tool'],
  ['white space', '\n  \n'],
  ['nothing', ''],
];

suite('calls in a text', () => {
  for (const size of [1, 3, 1_000]) {
    for (const [what, text, calls] of formats) {
      test(`${what}, in pieces of ${size}`, () => {
        assert.deepEqual(read(text, size), { text: '', calls, reason: 'tool_calls' });
      });
    }

    for (const [what, text] of texts) {
      test(`${what} stays text, in pieces of ${size}`, () => {
        assert.deepEqual(read(text, size), { text, calls: [], reason: 'stop' });
      });
    }

    test(`text before a call streams, in pieces of ${size}`, () => {
      const answer = read(`One moment. <tool_call>${json}</tool_call>`, size);
      assert.deepEqual(
        { ...answer, text: answer.text.trimEnd() },
        { text: 'One moment.', calls: [oslo], reason: 'tool_calls' },
      );
    });

    test(`text after a call follows it, in pieces of ${size}`, () => {
      const answer = read(`<tool_call>${json}</tool_call>\nThat will help.`, size);
      assert.deepEqual(answer, { text: '\nThat will help.', calls: [oslo], reason: 'tool_calls' });
    });

    test(`half of a call stays text if the answer was cut, in pieces of ${size}`, () => {
      const text = 'Hm <tool_call>{"name": "get_weather", "arguments": {"city": "Os"';
      assert.deepEqual(read(text, size, 'length'), { text, calls: [], reason: 'length' });
    });
  }

  test('text is sent at once, up to what may be a mark', () => {
    const sent: string[] = [];
    const emit = callsInText((event) => sent.push(event.type === 'text' ? event.text : event.type), {
      names,
      maxHeld: 9,
      newId,
    });
    for (const text of ['It', ' rains', ' <', 'b>']) emit({ type: 'text', text });
    assert.deepEqual(sent, ['It', ' rains', ' ', '<b>']);
  });

  test('a call that is too long is text', () => {
    const text = `<tool_call>${'x'.repeat(200)}</tool_call> and more`;
    assert.deepEqual(read(text, 7, 'stop', 100), { text, calls: [], reason: 'stop' });
  });

  test('numbers keep all digits', () => {
    const events: ChatEvent[] = [];
    const emit = callsInText((event) => events.push(event), { names, maxHeld: 1_000, newId });
    emit({ type: 'text', text: '<tool_call>{"name": "write", "arguments": {"n": 9007199254740993}}</tool_call>' });
    emit({ type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, timings: {} });
    assert.equal(events[0]?.type === 'tool-call' && events[0].arguments, '{"n":9007199254740993}');
  });
});
