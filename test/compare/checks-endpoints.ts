import { deepEqual, equal, ok } from 'node:assert/strict';
import { completion, completionStream, post, request, script, tryChat } from './api-client.ts';
import type { Check } from './check.ts';
import { withCopy } from './models.ts';

const shortCompletion = { model: 'scripted-plain', prompt: '<|s:one|>' };

/** Checks of completions, models and the errors of every route. */
export const endpointChecks: readonly Check[] = [
  {
    number: 18,
    title: '`/v1/completions`: log probabilities are returned',
    needs: ['scripted-plain'],
    async run(target) {
      const { choices } = await completion(target, { ...shortCompletion, max_tokens: 2, logprobs: 2 });
      const logprobs = choices[0]?.logprobs;
      ok(logprobs, 'no logprobs');
      equal(logprobs.tokens?.[0], 'Yes', `the first token is ${logprobs.tokens?.[0]}`);
      equal(logprobs.token_logprobs?.length, logprobs.tokens?.length, 'not one logprob for each token');
    },
  },
  {
    number: 18,
    title: '`/v1/completions`: a list of prompts returns a choice for each',
    needs: ['scripted-plain'],
    async run(target) {
      const prompt = ['<|s:one|>', '<|s:json|>'];
      const { choices } = await completion(target, { ...shortCompletion, prompt });
      const texts = choices.toSorted((a, b) => a.index - b.index).map(({ text }) => text.slice(0, 3));
      deepEqual(texts, ['Yes', '{"n'], `${texts.length} choices: ${texts.join(', ')}`);
    },
  },
  {
    number: 18,
    title: '`/v1/completions`: `echo` puts the prompt before the completion',
    needs: ['scripted-plain'],
    async run(target) {
      const { choices } = await completion(target, { ...shortCompletion, echo: true });
      equal(choices[0]?.text, '<|s:one|>Yes', `the text is ${choices[0]?.text}`);
    },
  },
  {
    number: 18,
    title: '`/v1/completions`: `raw: true` skips the chat template',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const { usage } = await completion(target, { ...shortCompletion, raw: true });
      const tokens = usage?.prompt_tokens ?? 0;
      ok(tokens > 0 && tokens < 5, `${tokens} prompt tokens instead of fewer than 5`);
    },
  },
  {
    number: 19,
    title: '`/v1/models/{id}` accepts names with slashes',
    needs: ['scripted-plain'],
    async run(target) {
      await withCopy(target, 'scripted-plain', 'hf.co/llamaduct-compare/plain:Q4', async (model) => {
        const { status, json, problem } = await request(target, 'GET', `/v1/models/${model}`);
        equal(status, 200, problem);
        equal((json as { id: string }).id, model);
      });
    },
  },
  {
    number: 19,
    title: '`/v1/models` returns the context length and the capabilities of a model',
    beyond: true,
    needs: ['scripted-think'],
    async run(target) {
      const { json, status, problem } = await request(target, 'GET', '/v1/models/scripted-think:latest');
      equal(status, 200, problem);
      const { context_length: context, capabilities } = json as { context_length?: number; capabilities?: string[] };
      ok((context ?? 0) > 0, `context_length is ${context}`);
      ok(capabilities?.includes('thinking'), `capabilities are ${String(capabilities)}`);
    },
  },
  {
    number: 20,
    title: 'An unknown model is a 404 with `code: "model_not_found"` and `param: "model"`',
    async run(target) {
      for (const path of ['/v1/chat/completions', '/v1/completions', '/v1/embeddings']) {
        const body = { model: 'llama-of-nowhere', messages: [script('one')], prompt: 'hi', input: 'hi' };
        const { status, error, problem } = await post(target, path, body);
        equal(status, 404, problem);
        equal(error.code, 'model_not_found', `${path}: code ${error.code}`);
        equal(error.param, 'model', `${path}: param ${error.param}`);
      }
    },
  },
  {
    number: 20,
    title: 'Every error is JSON: unknown route, wrong method, malformed body',
    async run(target) {
      for (const [name, { status, error }] of [
        ['an unknown route', await request(target, 'GET', '/v1/nothing')],
        ['a wrong method', await request(target, 'DELETE', '/v1/chat/completions')],
        ['an unknown model', await request(target, 'GET', '/v1/models/a/b')],
        ['no messages', await tryChat(target, { model: 'scripted-plain', messages: 'hi' })],
      ] as const) {
        ok(status >= 400 && error.message !== undefined, `${name}: HTTP ${status} without a JSON error`);
      }
    },
  },
  {
    number: 21,
    title: '`/v1/completions`: `usage` is null in every chunk but the last, which has no choices',
    needs: ['scripted-plain'],
    async run(target) {
      const body = { ...shortCompletion, stream_options: { include_usage: true } };
      const { chunks } = await completionStream(target, body);
      const last = chunks.at(-1);
      ok(
        last?.choices.length === 0 && (last.usage?.total_tokens ?? 0) > 0,
        'the last chunk is not one with usage and no choices',
      );
      const others = chunks.slice(0, -1).map(({ usage }) => usage as unknown);
      ok(
        others.every((usage) => usage === null),
        `usage is ${JSON.stringify(others.find((usage) => usage !== null))} in the other chunks`,
      );
    },
  },
];
