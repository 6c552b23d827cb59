import { deepEqual, equal, fail, ok, rejects } from 'node:assert/strict';
import OpenAI from 'openai';
import { chat, chatStream, script, times, tryChat, user } from './api-client.ts';
import type { Check } from './check.ts';
import { withModel } from './models.ts';
import { bothTools } from './tools.ts';

/** Checks of responses: length, end, ids, thinking, usage. */
export const answerChecks: readonly Check[] = [
  {
    number: 1,
    title: '`max_completion_tokens` limits the response, and `finish_reason` is `length`',
    needs: ['scripted-plain'],
    async run(target) {
      const body = { model: 'scripted-plain', messages: [user('hi')], max_completion_tokens: 10 };
      const { usage, choices } = await chat(target, body);
      equal(choices[0]?.finish_reason, 'length', `${usage?.completion_tokens} tokens instead of at most 10`);
      ok((usage?.completion_tokens ?? Infinity) <= 10, `${usage?.completion_tokens} tokens instead of at most 10`);
      const { chunks } = await chatStream(target, body);
      equal(chunks.at(-1)?.choices[0]?.finish_reason, 'length', 'streamed: the limit is ignored');
    },
  },
  {
    number: 3,
    title: '`n: 2` returns two choices or a 400, streamed or not, never silently one choice',
    needs: ['scripted-plain'],
    async run(target) {
      const body = { model: 'scripted-plain', messages: [script('one')], n: 2 };
      const whole = await tryChat(target, body);
      if (whole.status === 400) return;
      equal(whole.status, 200, whole.problem);
      const { choices } = whole.json as OpenAI.ChatCompletion;
      const indices = choices.map(({ index }) => index);
      deepEqual(indices, [0, 1], `${indices.length} choice`);
      const { chunks } = await chatStream(target, body);
      const ended = chunks.flatMap((chunk) => chunk.choices.filter((choice) => choice.finish_reason !== null));
      deepEqual(
        new Set(ended.map(({ index }) => index)),
        new Set([0, 1]),
        'streamed: not two choices with the indices 0 and 1',
      );
    },
  },
  {
    number: 5,
    title: 'An error in mid-stream is an error event, and the OpenAI SDK throws it',
    needs: ['scripted-harmony'],
    async run(target) {
      // The limit cuts the call's JSON: Ollama's parser fails after the thinking has been sent.
      const body = { model: 'scripted-harmony', messages: [script('harmonytool')], tools: bothTools, max_tokens: 30 };
      const { error, done } = await chatStream(target, body);
      ok(error?.message, 'the stream ends without an error');
      ok(!done, '[DONE] after the error');
      await rejects(
        streamThroughSdk(target.url, target.key, body),
        OpenAI.APIError,
        'the OpenAI SDK accepts the stream as complete',
      );
    },
  },
  {
    number: 6,
    title: 'A model that stops without an end mark is an error, streamed or not, never a normal end',
    needs: ['scripted-repeat'],
    async run(target) {
      const body = { model: 'scripted-repeat', messages: [user('hi')] };
      const { error, done, chunks } = await chatStream(target, body);
      ok(error?.message, 'streamed: no error');
      ok(
        !done && chunks.every(({ choices: [choice] }) => !choice?.finish_reason),
        'streamed: a normal end besides the error',
      );
      const whole = await tryChat(target, body);
      ok(whole.status >= 500 && whole.error.message, `not streamed: HTTP ${whole.status}`);
    },
  },
  {
    number: 7,
    title: '200 responses have 200 different ids',
    needs: ['scripted-plain'],
    async run(target) {
      const body = { model: 'scripted-plain', messages: [script('one')], max_tokens: 1 };
      const ids = new Set<string>();
      await times(200, async (run) => {
        const { id } = await chat(target, body);
        ok(!ids.has(id), `response ${run + 1} repeats the id of an earlier one`);
        ids.add(id);
      });
    },
  },
  {
    number: 7,
    title: "A response's id is its `x-request-id`",
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const { headers, json } = await tryChat(target, { model: 'scripted-plain', messages: [script('one')] });
      const id = headers.get('x-request-id');
      equal(id, (json as { id: string }).id, `x-request-id is ${id}`);
    },
  },
  {
    number: 11,
    title: "Without a temperature in the request, the model's own applies: temperature 0, 6 seeds, one text",
    needs: ['scripted-soft'],
    async run(target) {
      await withModel(target, 'cold', { from: 'scripted-soft', parameters: { temperature: 0 } }, async (model) => {
        const answers = await times(6, async (seed) => await chat(target, { model, messages: [user('hi')], seed }));
        const texts = new Set(answers.map(({ choices }) => choices[0]?.message.content));
        equal(texts.size, 1, `${texts.size} texts`);
      });
    },
  },
  {
    number: 12,
    title: 'Thinking is returned as `reasoning_content` and as `reasoning`, streamed or not',
    beyond: true,
    needs: ['scripted-think'],
    async run(target) {
      const body = { model: 'scripted-think', messages: [user('hi')] };
      const { choices } = await chat(target, body);
      const { chunks } = await chatStream(target, body);
      const deltas = chunks.flatMap((chunk) => chunk.choices.map(({ delta }) => delta));
      for (const field of ['reasoning_content', 'reasoning']) {
        for (const thoughts of [[choices[0]?.message], deltas]) {
          const text = thoughts.map((part) => (part as Record<string, string> | undefined)?.[field] ?? '').join('');
          ok(text.startsWith('The user greets me.'), `no ${field}`);
        }
      }
    },
  },
  {
    number: 13,
    title: 'Every `reasoning_effort` (7 values) is accepted for every kind of model (none, boolean, levels)',
    needs: ['scripted-plain', 'scripted-think', 'scripted-r1', 'scripted-harmony'],
    async run(target) {
      const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];
      const models = ['scripted-plain', 'scripted-think', 'scripted-r1', 'scripted-harmony'];
      const pairs = models.flatMap((model) => efforts.map((effort) => [model, effort] as const));
      const answers = await times(pairs.length, async (at) => {
        const [model, reasoning_effort] = pairs[at] ?? fail();
        const messages = [user('hi')];
        const { status } = await tryChat(target, { model, messages, reasoning_effort, max_tokens: 1 });
        return { status, pair: `${reasoning_effort} on ${model}` };
      });
      const refused = answers.filter(({ status }) => status !== 200);
      equal(refused.length, 0, `${refused.length} of ${pairs.length} rejected, for example ${refused[0]?.pair}`);
    },
  },
  {
    number: 21,
    title: '`usage` is null in every chunk but the last, which has no choices',
    needs: ['scripted-plain'],
    async run(target) {
      const body = { model: 'scripted-plain', messages: [script('one')], stream_options: { include_usage: true } };
      const { chunks } = await chatStream(target, body);
      const last = chunks.at(-1);
      ok(
        last?.choices.length === 0 && (last.usage?.total_tokens ?? 0) > 0,
        'the last chunk is not one with usage and no choices',
      );
      const others = chunks.slice(0, -1).map(({ usage }) => usage as unknown);
      ok(
        others.every((usage) => usage === null),
        `usage is ${JSON.stringify(others.find((usage) => usage !== null)) ?? 'absent'} in the other chunks`,
      );
    },
  },
];

async function streamThroughSdk(url: string, apiKey: string, body: object): Promise<void> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  const stream = await client.chat.completions.create({
    ...(body as OpenAI.ChatCompletionCreateParamsNonStreaming),
    stream: true,
  });
  for await (const _ of stream);
}
