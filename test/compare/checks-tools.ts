import { deepEqual, equal, ok } from 'node:assert/strict';
import { chat, chatStream, script, times, tryChat, user } from './api-client.ts';
import type { Check } from './check.ts';
import { withModel } from './models.ts';
import { missingKeywords, schemaTool } from './schemas.ts';
import { assertValid, bothTools, callsIn, callsOf } from './tools.ts';

const runs = 20;

/** Checks of tools: which are called and how, and what the model sees of them. */
export const toolChecks: readonly Check[] = [
  {
    number: 2,
    title: '`tool_choice: "none"`: no call in 20 runs',
    needs: ['scripted-tools'],
    async run(target) {
      const body = { model: 'scripted-tools', messages: [user('hi')], tools: bothTools, tool_choice: 'none' };
      await times(runs, async (run) => {
        const { length } = callsOf(await chat(target, body));
        equal(length, 0, `a call in run ${run + 1}`);
      });
    },
  },
  {
    number: 2,
    title: '`tool_choice: "required"`: a valid call in 20 of 20 runs of a model that prefers to answer in text',
    needs: ['scripted-tools'],
    async run(target) {
      const body = { model: 'scripted-tools', messages: [script('plain')], tools: bothTools, tool_choice: 'required' };
      await times(runs, async (run) => {
        if (run % 2 === 0) assertValid(callsOf(await chat(target, body)), ['get_weather', 'get_time']);
        else assertValid(callsIn((await chatStream(target, body)).chunks), ['get_weather', 'get_time']);
      });
    },
  },
  {
    number: 2,
    title: '`tool_choice` that names a function: a valid call of it in 20 of 20 runs',
    needs: ['scripted-tools'],
    async run(target) {
      const tool_choice = { type: 'function', function: { name: 'get_time' } };
      // Without tool_choice the model calls get_weather.
      const body = { model: 'scripted-tools', messages: [user('hi')], tools: bothTools, tool_choice };
      await times(runs, async () => assertValid(callsOf(await chat(target, body)), ['get_time']));
    },
  },
  {
    number: 3,
    title: '`parallel_tool_calls: false`: one call from a model that makes two',
    needs: ['scripted-tools-parallel'],
    async run(target) {
      const body = { model: 'scripted-tools-parallel', messages: [user('hi')], tools: bothTools };
      const single = { ...body, parallel_tool_calls: false };
      const whole = callsOf(await chat(target, single)).length;
      equal(whole, 1, `${whole} calls`);
      const streamed = callsIn((await chatStream(target, single)).chunks).length;
      equal(streamed, 1, `streamed: ${streamed} calls`);
    },
  },
  {
    number: 4,
    title: 'Parallel calls stream with indices from 0 and an id each, whichever parser the model uses',
    needs: ['scripted-tools-parallel', 'scripted-coder'],
    async run(target) {
      const stream = async (model: string): Promise<void> => {
        const messages = [model === 'scripted-coder' ? user('hi') : script('tool2')];
        const calls = callsIn((await chatStream(target, { model, messages, tools: bothTools })).chunks);
        deepEqual(
          calls.map(({ index }) => index),
          [0, 1],
          `indices ${calls.map(({ index }) => index).join(', ')}`,
        );
        equal(new Set(calls.map(({ id }) => id)).size, 2, 'two calls with the same id');
      };
      await stream('scripted-tools-parallel');
      await stream('scripted-coder');
      // This parser gives every call the index 0.
      await withModel(target, 'parser', { from: 'scripted-tools', parser: 'qwen3-vl-instruct' }, stream);
    },
  },
  {
    number: 9,
    title: 'A tool result in several parts keeps its call id and the name of its tool',
    needs: ['scripted-tools'],
    async run(target) {
      await withModel(target, 'results', { from: 'scripted-tools', template: resultTemplate }, async (model) => {
        const content = [{ type: 'text', text: 'snow' }];
        const messages = history('{"city":"Oslo"}', null, content);
        const { rendered_template: text } = await target.prompt({ model, messages, tools: bothTools });
        ok(text.includes('[tool get_weather call_1]snow'), `the prompt has ${/\[tool .*/.exec(text)?.[0]}`);
      });
    },
  },
  {
    number: 9,
    title: '`arguments: ""` and `content: null` in the history are accepted',
    needs: ['scripted-tools'],
    async run(target) {
      const body = { model: 'scripted-tools', tools: bothTools };
      for (const messages of [
        history('', null, 'snow'),
        [user('hi'), { role: 'assistant', content: null }, user('again')],
      ]) {
        const { status, problem } = await tryChat(target, { ...body, messages });
        equal(status, 200, problem);
      }
    },
  },
  {
    number: 14,
    title: 'No tool schema is rejected: `$ref`, `oneOf`, `const`, `true`, nullable, bounds, lists of types',
    needs: ['scripted-tools'],
    async run(target) {
      for (const parameters of [
        schemaTool.function.parameters,
        { type: 'object', properties: { anything: true, nothing: false } },
        { type: ['object', 'null'], properties: { city: { type: ['string', 'null'] } } },
        { type: 'object', properties: { city: { type: 'string', nullable: true } } },
        { $ref: '#/$defs/Args', $defs: { Args: { type: 'object', properties: { city: { type: 'string' } } } } },
        { anyOf: [{ type: 'object', properties: { city: { type: 'string' } } }, { type: 'object' }] },
        {},
      ]) {
        const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];
        const body = { model: 'scripted-tools', messages: [script('one')], max_tokens: 1, tools };
        const { status, error } = await tryChat(target, body);
        equal(status, 200, `${JSON.stringify(parameters).slice(0, 60)}: ${error.message?.slice(0, 80)}`);
      }
    },
  },
  {
    number: 14,
    title: "The model sees all of a tool's schema: inlined or described",
    needs: ['scripted-tools'],
    async run(target) {
      const body = { model: 'scripted-tools', messages: [script('one')], tools: [schemaTool] };
      const missing = missingKeywords((await target.prompt(body)).rendered_template);
      equal(missing.length, 0, `the prompt lacks ${missing.join(', ')}`);
    },
  },
];

/** A template that shows what the model gets of a tool's result. */
const resultTemplate = `{{ range .Messages }}[{{ .Role }} {{ .ToolName }} {{ .ToolCallID }}]{{ .Content }}
{{ end }}{{ if .Tools }}with tools{{ end }}<|s:one|>`;

function history(args: string, content: string | null, result: unknown): object[] {
  const call = { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: args } };
  return [
    user('hi'),
    { role: 'assistant', content, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call_1', content: result },
  ];
}
