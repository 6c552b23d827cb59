import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream, usageChunk } from '../helpers/openai-answers.ts';
import { type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const input = '```\n12\n```';

/** Servers that call the tool `edit`, each with the configuration that it needs. */
const servers = {
  ollama: async (): Promise<FakeUpstream> =>
    await fakeUpstream((res) => {
      const tool_calls = [{ function: { name: 'edit', arguments: { input } } }];
      ndjson(res).write(chatLine('', { message: { role: 'assistant', content: '', tool_calls } }));
      res.end(doneLine());
    }),
  openai: async (): Promise<FakeUpstream> => {
    const called = { name: 'edit', arguments: JSON.stringify({ input }) };
    const tool_calls = [{ index: 0, id: 'call_1', type: 'function', function: called }];
    return await openaiUpstream(
      stream([chunk({ role: 'assistant', tool_calls }), chunk({}, 'tool_calls'), usageChunk(1, 1)]),
    );
  },
};

interface Sent {
  readonly tools?: readonly { readonly type: string; readonly function: { readonly name: string } }[];
  readonly messages: readonly { readonly tool_calls?: readonly object[] }[];
}

const edit = {
  type: 'custom',
  custom: { name: 'edit', format: { type: 'grammar', grammar: { syntax: 'regex', definition: '[0-9]+' } } },
};
const other = { type: 'function', function: { name: 'other' } };

for (const [kind, start] of Object.entries(servers)) {
  suite(`custom tools of chat completions in front of ${kind}`, () => {
    const ask = async (gateway: TestGateway, body: object): Promise<Response> => {
      return await gateway.chat({ model: kind === 'ollama' ? 'scripted-plain' : 'scripted', ...body });
    };
    const sent = (upstream: FakeUpstream): Sent => JSON.parse(upstream.requests.at(-1)?.body ?? '{}') as Sent;

    test('are functions to the model, and calls of custom tools to the client', async () => {
      await using upstream = await start();
      await using gateway = await testGateway(upstream, { upstream: { kind: kind as 'ollama' } });
      const response = await ask(gateway, { tools: [edit] });
      const { choices } = (await response.json()) as { choices: { message: { tool_calls: object[] } }[] };
      assert.partialDeepStrictEqual(choices[0]?.message.tool_calls, [
        { type: 'custom', custom: { name: 'edit', input: '12' } },
      ]);
      assert.deepEqual(
        sent(upstream).tools?.map((tool) => [tool.type, tool.function.name]),
        [['function', 'edit']],
      );
    });

    test('are streamed in one delta', async () => {
      await using upstream = await start();
      await using gateway = await testGateway(upstream, { upstream: { kind: kind as 'ollama' } });
      const text = await (await ask(gateway, { tools: [edit], stream: true })).text();
      assert.match(
        text,
        /"tool_calls":\[\{"index":0,"id":"call_\w+","type":"custom","custom":\{"name":"edit","input":"12"\}\}\]/,
      );
      assert.match(text, /"finish_reason":"tool_calls"/);
    });

    for (const choice of [
      { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [edit] } },
      { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'custom', name: 'edit' }] },
    ]) {
      test(`may be the only ones allowed: ${JSON.stringify(choice).slice(0, 60)}`, async () => {
        await using upstream = await start();
        await using gateway = await testGateway(upstream, { upstream: { kind: kind as 'ollama' } });
        await (await ask(gateway, { tools: [other, edit], tool_choice: choice })).text();
        assert.deepEqual(
          sent(upstream).tools?.map((tool) => tool.function.name),
          ['edit'],
        );
      });
    }

    test('may be described as in the Responses API', async () => {
      await using upstream = await start();
      await using gateway = await testGateway(upstream, { upstream: { kind: kind as 'ollama' } });
      const tool_choice = { type: 'custom', name: 'edit' };
      const response = await ask(gateway, { tools: [{ type: 'custom', name: 'edit' }], tool_choice });
      assert.match(await response.text(), /"custom":\{"name":"edit"/);
      assert.equal(response.headers.get('x-llamaduct-dropped'), null);
    });

    test('are calls of functions in the history', async () => {
      await using upstream = await start();
      await using gateway = await testGateway(upstream, { upstream: { kind: kind as 'ollama' } });
      const call = { id: 'call_1', type: 'custom', custom: { name: 'edit', input: 'x' } };
      const messages = [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call_1', content: 'done' },
      ];
      await (await ask(gateway, { messages })).text();
      const args = kind === 'ollama' ? { input: 'x' } : '{"input":"x"}';
      assert.partialDeepStrictEqual(sent(upstream).messages[1]?.tool_calls, [
        { id: 'call_1', function: { name: 'edit', arguments: args } },
      ]);
    });

    for (const [param, format] of [
      ['grammar.definition', { type: 'grammar', grammar: { syntax: 'lark' } }],
      ['grammar.syntax', { type: 'grammar', grammar: { syntax: 'gbnf', definition: 'root ::= "a"' } }],
    ] as const) {
      test(`are refused without a usable ${param}`, async () => {
        await using upstream = await start();
        await using gateway = await testGateway(upstream, { upstream: { kind: kind as 'ollama' } });
        const response = await ask(gateway, { tools: [{ type: 'custom', custom: { name: 'edit', format } }] });
        const { error } = (await response.json()) as { error: { param: string } };
        assert.deepEqual([response.status, error.param], [400, `tools[0].custom.format.${param}`]);
      });
    }
  });
}
