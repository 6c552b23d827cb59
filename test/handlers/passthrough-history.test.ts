import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { sendJson } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { openaiError, saying } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const said = (role: string, content: unknown): object => ({ role, content });
const calling = (...calls: [id: string, args: unknown][]): object => ({
  role: 'assistant',
  content: null,
  tool_calls: calls.map(([id, args]) => ({ id, type: 'function', function: { name: 'f', arguments: args } })),
});
const result = (id: string, content: string): object => ({ role: 'tool', tool_call_id: id, content });

/** Refuses every body but those that match. */
function only(pattern: RegExp, message: string, status = 400): Answer {
  return (res, request) => {
    if (pattern.test(request.body)) return saying('fine')(res, request);
    sendJson(res, status, openaiError(message));
  };
}

async function throughOpenAi(answer: Answer, body: object): Promise<{ response: Response; sent: string[] }> {
  await using upstream = await openaiUpstream(answer);
  await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
  const response = await gateway.chat({ model: 'scripted', ...body });
  const text = await response.text();
  return { response: new Response(text, response), sent: upstream.requests.map((request) => request.body) };
}

suite('a chat completion that is passed on', () => {
  test('stays byte for byte when nothing in its history has to be mended', async () => {
    const messages = [
      said('system', 'a'),
      said('user', 'b'),
      calling(['c', ' {"a": 1.0} ']),
      result('c', 'd'),
      said('user', 'e'),
    ];
    const { sent } = await throughOpenAi(saying('fine'), { messages, user: 'me' });
    assert.deepEqual(sent, [JSON.stringify({ model: 'scripted', messages, user: 'me' })]);
  });

  test('has arguments of calls that are JSON, and all its other fields', async () => {
    const messages = [said('user', 'a'), calling(['c', '{"place":"ree'], ['d', 'prose'], ['e', ''], ['f', null])];
    const { sent } = await throughOpenAi(saying('fine'), { messages, seed: 7, vendor: { a: 1 } });
    const body = JSON.parse(sent[0] ?? '') as { messages: { tool_calls: { function: { arguments: string } }[] }[] };
    assert.partialDeepStrictEqual(body, { seed: 7, vendor: { a: 1 } });
    assert.deepEqual(
      body.messages[1]?.tool_calls.map((call) => call.function.arguments),
      ['{"place":"ree"}', '{"arguments":"prose"}', '{}', '{}'],
    );
  });

  test('keeps arguments of calls that would take too long to read', async () => {
    const large = `{"a":[${'{},'.repeat(150_000)}{}]}`;
    const messages = [said('user', 'a'), calling(['c', large], ['d', 'prose'])];
    const { sent } = await throughOpenAi(saying('fine'), { messages });
    const body = JSON.parse(sent[0] ?? '') as { messages: { tool_calls: { function: { arguments: string } }[] }[] };
    const [first, second] = body.messages[1]?.tool_calls ?? [];
    assert.deepEqual(
      [first?.function.arguments === large, second?.function.arguments],
      [true, '{"arguments":"prose"}'],
    );
  });

  test('has the results of parallel calls in the order of the calls', async () => {
    const calls = calling(['c', '{}'], ['d', '{}']);
    const messages = [said('user', 'a'), calls, result('d', '2'), result('c', '1')];
    const { sent } = await throughOpenAi(saying('fine'), { messages });
    assert.deepEqual((JSON.parse(sent[0] ?? '') as { messages: unknown }).messages, [
      said('user', 'a'),
      calls,
      result('c', '1'),
      result('d', '2'),
    ]);
  });

  const refused: [name: string, messages: object[], answer: Answer, sent: RegExp, dropped: string | null][] = [
    [
      'a system message in the middle',
      [said('system', 'a'), said('user', 'b'), said('assistant', 'c'), said('system', 'd'), said('user', 'e')],
      only(/"user","content":"<system-reminder>/, 'System message must be at the beginning.'),
      /"content":"<system-reminder>\\nd\\n<\/system-reminder>\\n\\ne"/,
      null,
    ],
    [
      'two system messages, from a template that fails',
      [said('system', 'a'), said('developer', 'b'), said('user', 'c')],
      only(/"system","content":"a\\n\\nb"/, 'Jinja Exception: System message must be at the beginning.', 500),
      /a\\n\\nb/,
      null,
    ],
    [
      'a call without a result',
      [said('user', 'a'), calling(['c', '{}']), said('user', 'b')],
      only(/no result/, "An assistant message with 'tool_calls' must be followed by tool messages"),
      /"tool_call_id":"c","content":"\(no result/,
      null,
    ],
    [
      'an unknown part',
      [said('user', [{ type: 'text', text: 'a' }, { type: 'hologram' }])],
      only(/"content":"a"/, 'Invalid value for messages[0].content[1].type'),
      /"content":"a"/,
      'messages.content.hologram',
    ],
  ];
  for (const [name, messages, answer, expected, dropped] of refused) {
    test(`is sent in another form to a server that refuses ${name}`, async () => {
      const { response, sent } = await throughOpenAi(answer, { messages, seed: 7 });
      assert.equal(response.status, 200, await response.text());
      assert.equal(sent.length, 2);
      assert.match(sent[1] ?? '', expected);
      assert.match(sent[1] ?? '', /"seed":7/);
      assert.equal(response.headers.get('x-llamaduct-dropped'), dropped);
    });
  }

  test('is not sent again when the refusal is about something else, or there is no other form', async () => {
    const late = [said('user', 'a'), said('system', 'b'), said('user', 'c')];
    const refusals: [messages: object[], message: string, status: number][] = [
      [late, 'Unknown parameter: seed', 400],
      [late, 'out of memory', 500],
      [late, 'System message must be at the beginning.', 429],
      [[said('user', 'a')], 'System message must be at the beginning.', 400],
    ];
    for (const [messages, message, status] of refusals) {
      const { response, sent } = await throughOpenAi(only(/never/, message, status), { messages });
      assert.notEqual(response.status, 200);
      assert.equal(sent.length, 1, message);
    }
  });

  test('ends with the second refusal when the other form is refused too', async () => {
    const messages = [said('user', 'a'), said('system', 'b')];
    const { response, sent } = await throughOpenAi(only(/never/, 'bad messages'), { messages });
    assert.deepEqual([response.status, sent.length], [400, 2]);
  });
});

suite('a native chat', () => {
  const odd: [name: string, messages: object[], expected: object[]][] = [
    [
      'a system message in the middle',
      [said('system', 'a'), said('user', 'b'), said('system', 'c')],
      [said('system', 'a'), said('user', 'b\n\n<system-reminder>\nc\n</system-reminder>')],
    ],
    ['content in parts', [said('user', [{ type: 'text', text: 'a' }])], [said('user', 'a')]],
    [
      'arguments that are a text',
      [{ role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: '{"a":1' } }] }],
      [{ role: 'assistant', content: '', tool_calls: [{ id: '', function: { name: 'f', arguments: { a: 1 } } }] }],
    ],
    [
      'results in another order than their calls',
      [
        {
          role: 'assistant',
          content: '',
          tool_calls: ['f', 'g'].map((name) => ({ function: { name, arguments: {} } })),
        },
        { role: 'tool', content: '2', tool_name: 'g' },
        { role: 'tool', content: '1', tool_name: 'f' },
      ],
      [
        {
          role: 'assistant',
          content: '',
          tool_calls: ['f', 'g'].map((name) => ({ id: '', function: { name, arguments: {} } })),
        },
        { role: 'tool', content: '1', tool_name: 'f' },
        { role: 'tool', content: '2', tool_name: 'g' },
      ],
    ],
  ];
  for (const [name, messages, expected] of odd) {
    test(`is translated when its history has ${name}`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream);
      const body = JSON.stringify({ model: 'scripted-plain', messages });
      const response = await gateway.fetch('/api/chat', { method: 'POST', body });
      assert.equal(response.status, 200, await response.text());
      const { body: sent } = upstream.requests.findLast(({ url }) => url === '/api/chat') ?? { body: '' };
      assert.deepEqual((JSON.parse(sent) as { messages: unknown }).messages, expected);
    });
  }

  test('is passed on byte for byte when it has none of these', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const messages = [
      said('system', 'a'),
      { role: 'user', content: 'b', images: ['aGVsbG8='] },
      { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: {} } }] },
      { role: 'tool', content: '1', tool_name: 'f' },
      said('control', 'x'),
    ];
    const body = JSON.stringify({ model: 'scripted-plain', messages, shift: true });
    const response = await gateway.fetch('/api/chat', { method: 'POST', body });
    await response.text();
    assert.equal(upstream.requests.at(-1)?.body, body);
  });
});
