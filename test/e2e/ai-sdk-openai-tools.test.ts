import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAI, openai } from '@ai-sdk/openai';
import { type ToolSet, generateText, stepCountIs, streamText } from 'ai';
import { json } from '../helpers/answers.ts';
import { secret } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import type { Answer } from '../helpers/upstream.ts';

/** Calls a tool, and then repeats the tool's result. */
function calling(name: string, args: object): Answer {
  return async (res, request) => {
    const { body, url } = request;
    // Screenshots are images.
    if (url === '/api/show') return await json(200, { capabilities: ['completion', 'tools', 'vision'] })(res, request);
    const { messages } = JSON.parse(body) as { messages: { role: string; content: string }[] };
    const last = messages.findLast(({ role }) => role === 'tool');
    ndjson(res);
    if (last === undefined) {
      const tool_calls = [{ function: { name, arguments: args } }];
      res.write(chatLine('', { message: { role: 'assistant', content: '', tool_calls } }));
    } else res.write(chatLine(`Result: ${last.content}`));
    res.end(doneLine());
    return undefined;
  };
}

function settings({ gateway }: Proxied, tools: ToolSet) {
  const provider = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret });
  return {
    model: provider('scripted-plain'),
    tools,
    prompt: 'hi',
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  };
}

const png = 'data:image/png;base64,iVBORw0KGgo=';
const { tools } = openai;

const cases: [name: string, args: object, set: ToolSet, result: string][] = [
  [
    'local_shell',
    { command: ['ls', '-l'] },
    { local_shell: tools.localShell({ execute: async ({ action }) => ({ output: action.command.join(' ') }) }) },
    'ls -l',
  ],
  [
    'shell',
    { commands: ['pwd'] },
    {
      shell: tools.shell({
        execute: async ({ action }) => ({
          output: [{ stdout: action.commands.join(), stderr: '', outcome: { type: 'exit', exitCode: 0 } }],
        }),
      }),
    },
    'pwd\nExit code: 0',
  ],
  [
    'apply_patch',
    { type: 'update_file', path: 'a.txt', diff: '@@' },
    {
      apply_patch: tools.applyPatch({
        execute: async ({ operation }) => ({ status: 'completed', output: `${operation.type} ${operation.path}` }),
      }),
    },
    'update_file a.txt',
  ],
  [
    'sql',
    { input: '```sql\nSELECT 1\n```' },
    {
      sql: tools.customTool({
        description: 'Queries.',
        format: { type: 'grammar', syntax: 'regex', definition: 'SELECT .+' },
        execute: async (query) => `ran ${query}`,
      }),
    },
    'ran SELECT 1',
  ],
  [
    'computer',
    { type: 'wait' },
    { computer: tools.computer({ execute: async () => ({ output: { type: 'computer_screenshot', imageUrl: png } }) }) },
    '(attached to the next message)',
  ],
];

for (const [name, args, set, result] of cases) {
  test(`generateText and streamText run ${name}, whose result reaches the model`, async () => {
    await using proxy = await proxied(calling(name, args));
    const whole = await generateText(settings(proxy, set));
    assert.equal(whole.text, `Result: ${result}`);
    assert.equal(whole.steps.length, 2);
    const streamed = streamText(settings(proxy, set));
    assert.equal(await streamed.text, `Result: ${result}`);
  });
}

test('thinking between tool calls reaches the model although nothing is stored', async () => {
  await using proxy = await proxied((res, { body }) => {
    const { messages } = JSON.parse(body) as { messages: readonly { role: string }[] };
    ndjson(res);
    if (messages.some(({ role }) => role === 'tool')) res.write(chatLine('Done.'));
    else {
      res.write(chatLine('', { message: { role: 'assistant', content: '', thinking: 'I need the list.' } }));
      const tool_calls = [{ function: { name: 'shell', arguments: { commands: ['ls'] } } }];
      res.write(chatLine('', { message: { role: 'assistant', content: '', tool_calls } }));
    }
    res.end(doneLine());
  });
  const [, , set] = cases[1] ?? assert.fail();
  const { text } = await generateText({
    ...settings(proxy, set),
    providerOptions: { openai: { store: false, forceReasoning: true } },
  });
  assert.equal(text, 'Done.');
  const [, assistant] = (proxy.asked.at(-1) as { messages: { thinking?: string }[] }).messages;
  assert.equal(assistant?.thinking, 'I need the list.');
});
