import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ChatEvent } from '../../src/chat/event.ts';
import { marks } from '../../src/calls/formats/marks.ts';
import { TextCallFilter } from '../../src/calls/text/text-call-filter.ts';
import { ToolNames } from '../../src/calls/tool-names.ts';

const names = new ToolNames([
  {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } },
  },
  { name: 'mcp__vault__get_secret' },
  { name: 'write' },
]);

type Part = string | readonly [name: string, args: unknown];

/** Reads a text in pieces, and returns texts and calls in their order. */
function read(pieces: readonly string[], isCut = false): { readonly parts: readonly Part[]; readonly work: number } {
  const parts: Part[] = [];
  const emit = (event: ChatEvent): void => {
    if (event.type === 'tool-call') parts.push([event.name, JSON.parse(event.arguments)]);
    if (event.type !== 'text' || event.text === '') return;
    const last = parts.at(-1);
    if (typeof last === 'string') parts.splice(-1, 1, last + event.text);
    else parts.push(event.text);
  };
  const filter = new TextCallFilter(emit, { names, maxHeld: 4_000_000, newId: () => 'call_1' });
  for (const text of pieces) filter.add({ type: 'text', text });
  const usage = { inputTokens: 1, outputTokens: 1 };
  filter.finish({ type: 'finish', reason: isCut ? 'length' : 'stop', usage, timings: {} });
  return { parts, work: filter.work };
}

const oslo: Part = ['get_weather', { city: 'Oslo' }];
const bergen: Part = ['get_weather', { city: 'Bergen' }];
const json = '{"name": "get_weather", "arguments": {"city": "Oslo"}}';

const formats: readonly (readonly [string, string, readonly Part[]])[] = [
  ['Hermes', `<tool_call>\n${json}\n</tool_call>`, [oslo]],
  [
    'Hermes with its own marks in an argument',
    `<tool_call>{"name": "write", "arguments": {"t": "<tool_call>x</tool_call>"}}</tool_call>`,
    [['write', { t: '<tool_call>x</tool_call>' }]],
  ],
  ['Hermes with a brace too many', `<tool_call>${json}}</tool_call>`, [oslo]],
  ['Hermes without its end, and text', `<tool_call>${json}\nDone.`, [oslo, 'Done.']],
  ['Hermes with a code fence', `<tool_call>\n\`\`\`json\n${json}\n\`\`\`\n</tool_call>`, [oslo]],
  [
    'Hermes with arguments as a string',
    '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>',
    [oslo],
  ],
  [
    'a wrong case and a prefix',
    '<tool_call>{"name": "functions.Get-Weather", "arguments": {"city": "Oslo"}}</tool_call>',
    [oslo],
  ],
  ['a lost prefix', '<tool_call>{"name": "get_secret", "arguments": {}}</tool_call>', [['mcp__vault__get_secret', {}]]],
  [
    'Qwen Coder',
    '<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>',
    [['get_weather', { city: 'Oslo', days: 2 }]],
  ],
  [
    'Qwen Coder without its first tag',
    '<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>',
    [oslo],
  ],
  [
    'Qwen Coder with its own marks in a value',
    '<tool_call><function=write><parameter=t>a</function></tool_call>b</parameter></function></tool_call>',
    [['write', { t: 'a</function></tool_call>b' }]],
  ],
  [
    'Qwen Coder with digits for a text',
    '<function=get_weather><parameter=city>12</parameter></function>',
    [['get_weather', { city: '12' }]],
  ],
  ["Llama's custom function", '<function=get_weather>{"city": "Oslo"}</function>', [oslo]],
  ['Mistral', `[TOOL_CALLS] [${json}]`, [oslo]],
  [
    'Mistral, the newer one',
    '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]get_weather[CALL_ID]abc123[ARGS]{"city": "Bergen"}',
    [oslo, bergen],
  ],
  ["Llama's Python", '[get_weather(city="Oslo"), get_weather(city=\'Bergen\')]', [oslo, bergen]],
  ["Llama's mark", '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Oslo"}}<|eom_id|>', [oslo]],
  ["Llama's builtin", '<|python_tag|>get_weather.call(city="Oslo")<|eom_id|>', [oslo]],
  [
    "Llama's JSON, twice",
    '{"name": "get_weather", "parameters": {"city": "Oslo"}}; {"name": "get_weather", "parameters": {"city": "Bergen"}}',
    [oslo, bergen],
  ],
  ['Granite', `<|tool_call|>[${json}]`, [oslo]],
  ['Granite 4', `<tool_call>[${json}]</tool_call>`, [oslo]],
  [
    'DeepSeek V3',
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Bergen"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    [oslo, bergen],
  ],
  [
    'DeepSeek V3.1',
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Oslo"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    [oslo],
  ],
  [
    'DeepSeek V3.2',
    '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Oslo</｜DSML｜parameter>\n<｜DSML｜parameter name="days" string="false">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
    [['get_weather', { city: 'Oslo', days: 2 }]],
  ],
  [
    'Command-R',
    'Action: ```json\n[\n  {\n    "tool_name": "get_weather",\n    "parameters": {\n      "city": "Oslo"\n    }\n  }\n]```',
    [oslo],
  ],
  [
    'Command-A',
    '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Oslo"}}\n]<|END_ACTION|>',
    [oslo],
  ],
  [
    'GLM',
    '<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>',
    [['get_weather', { city: 'Oslo', days: 2 }]],
  ],
  [
    'Kimi',
    '<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Oslo"}<|tool_call_end|><|tool_call_begin|>functions.get_weather:1<|tool_call_argument_begin|>{"city": "Bergen"}<|tool_call_end|><|tool_calls_section_end|>',
    [oslo, bergen],
  ],
  [
    'MiniMax M2',
    '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Oslo</parameter>\n</invoke>\n<invoke name="get_weather">\n<parameter name="city">Bergen</parameter>\n</invoke>\n</minimax:tool_call>',
    [oslo, bergen],
  ],
  [
    'MiniMax M1',
    `<tool_calls>\n${json}\n{"name": "get_weather", "arguments": {"city": "Bergen"}}\n</tool_calls>`,
    [oslo, bergen],
  ],
  [
    'harmony',
    '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|>',
    [oslo],
  ],
  [
    'harmony with a role',
    '<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{"city": "Oslo"}<|call|>',
    [oslo],
  ],
  ['LFM2', '<|tool_call_start|>[get_weather(city="Oslo")]<|tool_call_end|>', [oslo]],
  [
    'InternLM',
    '<|action_start|><|plugin|>\n{"name": "get_weather", "parameters": {"city": "Oslo"}}<|action_end|>',
    [oslo],
  ],
  ['FunctionGemma', '<start_function_call>call:get_weather{city:<escape>Oslo<escape>}<end_function_call>', [oslo]],
  ['Gemma 4', '<|tool_call>call:get_weather{city:<|"|>Oslo<|"|>}<tool_call|>', [oslo]],
  ['Gemma 3', '```tool_code\nprint(get_weather(city="Oslo"))\n```', [oslo]],
  ['Nemotron', `<TOOLCALL>[${json}]</TOOLCALL>`, [oslo]],
  ['Apertus', '<|tools_prefix|>[{"get_weather": {"city": "Oslo"}}]<|tools_suffix|>', [oslo]],
  ['OLMo', '<function_calls>\nget_weather(city="Oslo")\nget_weather(city="Bergen")\n</function_calls>', [oslo, bergen]],
  ['Phi', `functools[${json}]`, [oslo]],
  [
    'Seed',
    '<seed:tool_call>\n<function=get_weather>\n<parameter=city>Oslo</parameter>\n</function>\n</seed:tool_call>',
    [oslo],
  ],
  ['Longcat', `<longcat_tool_call>${json}</longcat_tool_call>`, [oslo]],
  ['JSON that begins with a type', `{"type": "function", "function": ${json}}`, [oslo]],
  [
    'text, a call, text, a call',
    `One\n<tool_call>${json}</tool_call> and <tool_call>${json}</tool_call>`,
    ['One\n', oslo, ' and ', oslo],
  ],
  [
    'thinking with a call in it',
    `<think>I may write <tool_call>${json}</tool_call> now</think>\n<tool_call>${json}</tool_call>`,
    [`<think>I may write <tool_call>${json}</tool_call> now</think>`, oslo],
  ],
];

const texts: readonly (readonly [string, string])[] = [
  ['a mark in an explanation', 'Hermes writes <tool_call> before a call, and [TOOL_CALLS] is from Mistral.'],
  [
    'the format in an explanation',
    'Write <tool_call>{"name": "example", "arguments": {}}</tool_call>, as in:\n```json\n{"name": "example", "arguments": {}}\n```',
  ],
  ['the JSON of a person', '{"name": "Anna", "arguments": {"age": 3}}'],
  ['other JSON', '{"city": "Oslo", "name": "get_weather"}'],
  ['JSON of a call with more text after it', `As an example:\n${json}\nis what I would write.`],
  ['JSON in a fence after text', `I look it up.\n\n\`\`\`json\n${json}\n\`\`\``],
  ['lists', '[1, 2]\n[a](b)\n- [ ] c'],
  ['code', '```js\nget_weather({city: "Oslo"});\n```\nAnd [get_time(zone="x")] too.'],
  ['broken arguments', '<tool_call>{"name": "get_weather", "arguments": {"city": "Os</tool_call> more'],
  ['words like those of formats', 'Actions\nAction: move on\nfunctools.partial\nAll is well.\n'],
];

suite('formats of calls in texts', () => {
  for (const [what, text, expected] of formats) {
    test(`${what} is a call`, () => {
      assert.deepEqual(read([text]).parts, expected);
    });
    test(`${what} is the same call however the text is divided`, () => {
      assert.deepEqual(read(text.split('')).parts, expected);
      for (let at = 1; at < text.length; at += 1)
        assert.deepEqual(read([text.slice(0, at), text.slice(at)]).parts, expected);
    });
  }

  for (const [what, text] of texts) {
    test(`${what} stays text, however it is divided`, () => {
      assert.deepEqual(read([text]).parts, [text]);
      assert.deepEqual(read(text.split('')).parts, [text]);
      for (let at = 1; at < text.length; at += 1)
        assert.deepEqual(read([text.slice(0, at), text.slice(at)]).parts, [text]);
    });
  }
});

const fragment = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...marks.flatMap(({ open, close }) => [open, ...close])) },
  { weight: 3, arbitrary: fc.constantFrom(...formats.map(([, text]) => text), ...texts.map(([, text]) => text)) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'get_weather',
      'write',
      '{',
      '}',
      '[',
      ']',
      '(',
      ')',
      '"',
      "'",
      '\n',
      ' ',
      '```',
      '```json\n',
      '{"name": "',
      '\\',
      '<think>',
      '</think>',
      '<parameter=a>',
      '</parameter>',
      '<arg_key>',
      'A',
      'f',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 20, unit: 'grapheme' }) },
);

function divided(text: string, sizes: readonly number[]): string[] {
  const pieces: string[] = [];
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return pieces;
}

/** What may begin calls, or parts of them. */
const beginnings = [
  '[',
  '{',
  '`',
  '```',
  '\n[',
  '\n{',
  '\n```json\n',
  '\nA',
  '\n',
  ' ',
  '{"name": "',
  '\n{"name": "x',
  '"',
  "'",
  '\\',
  '<',
  '[T',
  'get_weather(',
  '\n[get_weather(',
  '<tool_call>{}',
  '<think>',
  '<function=write>',
  '<parameter=a>',
  '[write(a=1),',
  'write(a=1) ',
];

suite('any text', () => {
  test('gives the same texts and calls, however it is divided', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 12 }), sizes, fc.boolean(), (fragments, parts, isCut) => {
        const text = fragments.join('');
        const whole = read([text], isCut).parts;
        assert.deepEqual(read(divided(text, parts), isCut).parts, whole);
        if (whole.every((part) => typeof part === 'string')) assert.equal(whole.join(''), text);
      }),
      { numRuns: 1_000 },
    );
  });

  test('takes linear work', () => {
    const units = [
      ...marks.flatMap(({ open, close }) => [open, `${open}{`, `${open}{"name": "get_weather"`, ...close]),
      ...beginnings,
      `${json}\n`,
    ];
    for (const unit of units) {
      for (const start of [
        '',
        '<tool_call>',
        '\n{"name": "write", "arguments": {',
        '[TOOL_CALLS]',
        '<function=write>',
        '[write(',
      ]) {
        for (const size of [7, 1_000_000]) {
          const work = [4_000, 8_000].map((length) => {
            const text = start + unit.repeat(Math.ceil(length / unit.length));
            const pieces = divided(text, [size]);
            return read(pieces).work / text.length;
          });
          const [small = 0, large = 0] = work;
          assert.ok(large <= small * 1.5 + 1, `${JSON.stringify([start, unit])}: ${small} and ${large} per character`);
        }
      }
    }
  });

  test('of 1 MB that never becomes a call is looked at a bounded number of times', () => {
    for (const unit of ['<tool_call', '<tool_call>', '[', '{"name": "get_weather", ', '\n[', '<tool_call>{']) {
      const text = unit.repeat(Math.ceil(1_000_000 / unit.length));
      const { parts, work } = read([text]);
      assert.equal(parts.join(''), text);
      assert.ok(work <= 80 * text.length, `${unit}: ${work / text.length} per character`);
    }
  });
});
