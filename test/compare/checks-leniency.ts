import { equal, ok } from 'node:assert/strict';
import { images } from '../images/samples.ts';
import { chat, post, script, tryChat, user } from './api-client.ts';
import type { Check } from './check.ts';
import { contextOf, withModel } from './models.ts';
import { bothTools } from './tools.ts';
import type { Target } from './target.ts';

/** Checks of what clients send that OpenAI's own would not: other spellings, values and forms. */
export const leniencyChecks: readonly Check[] = [
  {
    number: 29,
    title:
      'Every spelling of the wish not to think is heeded: `think`, `thinking`, `enable_thinking`, `chat_template_kwargs`',
    beyond: true,
    needs: ['scripted-think'],
    async run(target) {
      for (const spelling of [
        { reasoning_effort: 'none' },
        { reasoning: { effort: 'none' } },
        { think: false },
        { thinking: { type: 'disabled' } },
        { enable_thinking: false },
        { chat_template_kwargs: { enable_thinking: false } },
      ]) {
        const { usage } = await chat(target, { model: 'scripted-think', messages: [user('hi')], ...spelling });
        ok((usage?.completion_tokens ?? 0) < 15, `${JSON.stringify(spelling)}: it thinks`);
      }
    },
  },
  {
    number: 29,
    title: "Ollama's `format` and `num_ctx`, and OpenAI's former `functions`, have their effect in a chat",
    beyond: true,
    needs: ['scripted-plain', 'scripted-tools', 'scripted-jinja'],
    async run(target) {
      const messages = [user('hi')];
      const [formatted] = (await chat(target, { model: 'scripted-plain', messages, format: schema })).choices;
      ok(isPerson(formatted?.message.content), '`format` has no effect');
      const functions = bothTools.map((tool) => tool.function);
      const [answered] = (await chat(target, { model: 'scripted-tools', messages, functions })).choices;
      // oxlint-disable-next-line typescript/no-deprecated -- The answer to `functions` has it.
      equal(answered?.message.function_call?.name, 'get_weather', '`functions`: no call');
      await withModel(target, 'sized', { from: 'scripted-jinja' }, async (model) => {
        await chat(target, { model, messages: [script('one')], num_ctx: 768 });
        equal(await contextOf(target, model), 768, '`num_ctx` has no effect');
      });
    },
  },
  {
    number: 30,
    title: 'Values that mean "none" or "the most" are no errors: -1, 0, "", `[]`, `{}`, "auto", "ultra", "FLOAT"',
    beyond: true,
    needs: ['scripted-plain', 'scripted-tools', 'scripted-think', 'scripted-embed'],
    async run(target) {
      for (const fields of lenientFields) {
        const body = { model: 'scripted-plain', messages: [script('one')], max_tokens: 5, ...fields };
        const { status, problem } = await tryChat(target, body);
        equal(status, 200, `${JSON.stringify(fields)}: ${problem}`);
      }
      const offered = { model: 'scripted-tools', messages: [script('one')], tools: [ring] };
      const { status, problem } = await tryChat(target, offered);
      equal(status, 200, `parameters []: ${problem}`);
      for (const reasoning_effort of ['', 'auto', 'default', 'ultra']) {
        const body = { model: 'scripted-think', messages: [script('one')], reasoning_effort };
        const { status, problem } = await tryChat(target, body);
        equal(status, 200, `reasoning_effort "${reasoning_effort}": ${problem}`);
      }
      for (const fields of [{ encoding_format: 'FLOAT' }, { encoding_format: '' }, { dimensions: 0 }]) {
        const answer = await post(target, '/v1/embeddings', { model: 'scripted-embed', input: 'hi', ...fields });
        equal(answer.status, 200, `${JSON.stringify(fields)}: ${answer.problem}`);
      }
    },
  },
  {
    number: 31,
    title: 'A schema is followed in every form in which clients send it: without a name, beside the type, of draft 04',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      for (const response_format of [
        { type: 'json_schema', json_schema: { schema } },
        { type: 'json_schema', schema },
        { type: 'json_object', schema },
        { type: 'json_schema', json_schema: { name: 'person', schema: draft04 } },
      ]) {
        const { status, json, problem } = await tryChat(target, {
          model: 'scripted-plain',
          messages: [user('hi')],
          response_format,
        });
        const form = JSON.stringify(response_format).slice(0, 60);
        equal(status, 200, `${form}: ${problem}`);
        const [choice] = (json as { choices: { message: { content: string } }[] }).choices;
        ok(isPerson(choice?.message.content), `${form}: the text does not match`);
      }
    },
  },
  {
    number: 32,
    title: 'No history is an error: arguments that are not JSON, unknown parts, images in results, files',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      for (const [kind, messages] of Object.entries(histories)) {
        const { status, problem } = await tryChat(target, { model: 'scripted-plain', messages, max_tokens: 1 });
        equal(status, 200, `${kind}: ${problem}`);
      }
    },
  },
  {
    number: 32,
    title: 'An image in the result of a tool and the text of a file reach the model',
    needs: ['scripted-plain'],
    async run(target) {
      const model = 'scripted-plain';
      const seen = await target.prompt({ model, messages: histories['an image in a result'] });
      equal(seen.image_count, 1, 'no image');
      const read = await target.prompt({ model, messages: histories['a text file'] });
      ok(read.rendered_template.includes('Herons stand there.'), 'no text of the file');
    },
  },
  {
    number: 33,
    title:
      'A system message in mid-conversation reaches the model, and the prompt before it stays the same for the cache',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const template =
        '{{ if .System }}[S]{{ .System }}{{ end }}{{ range .Messages }}{{ if ne .Role "system" }}[{{ .Role }}]{{ .Content }}{{ end }}{{ end }}<|s:one|>';
      await withModel(target, 'late', { from: 'scripted-plain', template }, async (model) => {
        const early = [{ role: 'system', content: 'Be brief.' }, user('hi'), { role: 'assistant', content: 'Hello.' }];
        const late = [...early, { role: 'system', content: 'Now in French.' }, user('again')];
        const before = await rendered(target, { model, messages: [...early, user('again')] });
        const after = await rendered(target, { model, messages: late });
        ok(after.includes('Now in French.'), 'it is lost');
        const shared = before.slice(0, before.indexOf('Hello.'));
        ok(after.startsWith(shared), 'the beginning of the prompt changes');
      });
    },
  },
  {
    number: 34,
    title: 'Results of parallel calls reach the model in the order of the calls, whatever their order in the history',
    needs: ['scripted-tools'],
    async run(target) {
      const call = (id: string, city: string): object => ({
        id,
        type: 'function',
        function: { name: 'get_weather', arguments: JSON.stringify({ city }) },
      });
      const messages = [
        user('Both.'),
        { role: 'assistant', content: null, tool_calls: [call('a', 'Oslo'), call('b', 'Paris')] },
        { role: 'tool', tool_call_id: 'b', content: 'warm' },
        { role: 'tool', tool_call_id: 'a', content: 'snow' },
      ];
      const prompt = await rendered(target, { model: 'scripted-tools', messages, tools: bothTools });
      ok(prompt.includes('snow') && prompt.includes('warm'), 'a result is lost');
      ok(prompt.indexOf('snow') < prompt.indexOf('warm'), "the first call's result is the second");
    },
  },
];

const schema = {
  type: 'object',
  properties: { name: { enum: ['Alice', 'Bob'] }, age: { type: 'integer', minimum: 0, maximum: 99 } },
  required: ['name', 'age'],
  additionalProperties: false,
};
const draft04 = {
  ...schema,
  $schema: 'http://json-schema.org/draft-04/schema#',
  properties: { ...schema.properties, age: { type: 'integer', minimum: 0, exclusiveMinimum: true, maximum: 99 } },
};

function isPerson(text: string | null | undefined): boolean {
  try {
    const { name, age } = JSON.parse(text ?? '') as Record<string, unknown>;
    return ['Alice', 'Bob'].includes(String(name)) && Number.isInteger(age);
  } catch {
    return false;
  }
}

const lenientFields: readonly object[] = [
  { max_tokens: -1 },
  { max_tokens: 0 },
  { max_completion_tokens: -1 },
  { n: 0 },
  { temperature: 2.5 },
  { top_p: 1.5 },
  { logprobs: false, top_logprobs: 0 },
  { stop: '' },
  { response_format: {} },
  { user: 7, metadata: [], logit_bias: [], tools: [] },
];
const ring = { type: 'function', function: { name: 'ring', parameters: [] } };

const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${images.png.toString('base64')}` } };

function called(args: unknown, result: unknown = '1'): object[] {
  const calls = [{ id: 'a', type: 'function', function: { name: 'f', arguments: args } }];
  return [
    user('hi'),
    { role: 'assistant', content: null, tool_calls: calls },
    { role: 'tool', tool_call_id: 'a', content: result },
  ];
}

function file(type: string, bytes: string): object {
  return { type: 'file', file: { filename: 'reed', file_data: `data:${type};base64,${btoa(bytes)}` } };
}

const histories = {
  'arguments that are cut': called('{"a":'),
  'arguments in prose': called('the city of Oslo'),
  'a list of arguments': called('[]'),
  'arguments null': called('null'),
  'an unknown part': [user([{ type: 'hologram' }, { type: 'text', text: 'hi' }])],
  'thinking as a part': [
    user('hi'),
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'A greeting.' },
        { type: 'text', text: 'Hello.' },
      ],
    },
    user('again'),
  ],
  'an image in a result': called('{}', [picture]),
  'a text file': [user([{ type: 'text', text: 'Sum it up.' }, file('text/plain', 'Herons stand there.')])],
  'a PDF': [
    user([file('application/pdf', '%PDF-'), { type: 'text', text: 'hi' }]),
    { role: 'assistant', content: 'Hello.' },
    user('again'),
  ],
};

async function rendered(target: Target, body: object): Promise<string> {
  return (await target.prompt(body)).rendered_template;
}
