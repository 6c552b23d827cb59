import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Completion } from 'openai/resources/completions';
import { testGateway } from '../helpers/gateway.ts';
import { ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { type SchemaName, assertMatches, assertResponseEvent } from './openai-schema.ts';

/** A response of Ollama to `/api/generate`. */
const generateLines = [
  '{"model":"m","response":"Yes","done":false}',
  '{"model":"m","response":"","done":true,"done_reason":"stop"}',
]
  .map((line) => `${line}\n`)
  .join('');

const goldens = join(import.meta.dirname, '../golden');
const golden = (folder: string, extension: string): { name: string; text: string }[] =>
  globSync(`${folder}/**/*.${extension}`, { cwd: goldens }).map((name) => ({
    name,
    text: readFileSync(join(goldens, name), 'utf8'),
  }));

const isError = (value: unknown): boolean => typeof value === 'object' && value !== null && 'error' in value;

describe("goldens match OpenAI's published schemas", () => {
  for (const [folder, schema, least] of [
    ['chat-completions', 'CreateChatCompletionStreamResponse', { chunks: 3_000, errors: 10 }],
    ['completions', 'CreateCompletionResponse', { chunks: 200, errors: 0 }],
  ] as const) {
    test(`every event of the streams of ${folder}`, () => {
      let chunks = 0;
      let errors = 0;
      for (const { name, text } of golden(folder, 'sse')) {
        // Only line feeds end a line: texts hold other line separators, at which `$` would match.
        for (const line of text.split('\n')) {
          if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
          const event = JSON.parse(line.slice('data: '.length)) as unknown;
          if (isError(event)) errors += 1;
          else chunks += 1;
          matches(name, isError(event) ? 'ErrorResponse' : schema, event);
        }
      }
      assert.ok(chunks >= least.chunks && errors >= least.errors, `${chunks} chunks, ${errors} errors`);
    });
  }

  test('every event of the streams of responses, with sequence numbers without gaps', () => {
    const seen = { completed: 0, failed: 0, incomplete: 0 };
    for (const { name, text } of golden('responses', 'sse')) {
      let number = 0;
      for (const line of text.split('\n')) {
        if (!line.startsWith('data: ')) continue;
        const event = JSON.parse(line.slice('data: '.length)) as { type: string; sequence_number: number };
        try {
          assertResponseEvent(event);
        } catch (error) {
          throw new Error(`${name} does not match its schema`, { cause: error });
        }
        assert.equal(event.sequence_number, number, name);
        number += 1;
        const end = event.type.replace('response.', '');
        if (end in seen) seen[end as keyof typeof seen] += 1;
      }
    }
    assert.ok(seen.completed > 200 && seen.incomplete > 10 && seen.failed > 10, JSON.stringify(seen));
  });

  test('every body of responses that is not streamed', () => {
    let answers = 0;
    for (const { name, text } of golden('responses', 'json')) {
      const [, status = '', body = ''] = /^(\d{3})\n([^]*)$/.exec(text) ?? [];
      if (status === '200') answers += 1;
      matches(name, status === '200' ? 'Response' : 'ErrorResponse', JSON.parse(body));
    }
    assert.ok(answers > 200, String(answers));
  });

  test('every body of chat-completions that is not streamed', () => {
    const seen = { CreateChatCompletionResponse: 0, ErrorResponse: 0 };
    for (const { name, text } of golden('chat-completions', 'json')) {
      const [, status = '', body = ''] = /^(\d{3})\n([^]*)$/.exec(text) ?? [];
      const schema = status === '200' ? 'CreateChatCompletionResponse' : 'ErrorResponse';
      seen[schema] += 1;
      matches(name, schema, JSON.parse(body));
    }
    assert.ok(seen.CreateChatCompletionResponse > 120 && seen.ErrorResponse >= 10, JSON.stringify(seen));
  });
});

describe("llamaduct's responses match OpenAI's published schemas", () => {
  test('/v1/models and /v1/models/{id}', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['scripted-plain:latest', 'hf.co/someone/model:Q4']);
    await using gateway = await testGateway(upstream);
    const list = await (await gateway.fetch('/v1/models')).json();
    assertMatches('ListModelsResponse', list);
    assert.equal((list as { data: unknown[] }).data.length, 2);
    assertMatches('Model', await (await gateway.fetch('/v1/models/hf.co/someone/model:Q4')).json());
  });

  test('completions and embeddings', async () => {
    await using upstream = await fakeUpstream((res, { url }) => {
      if (url === '/api/generate') ndjson(res).end(generateLines);
      else res.end('{"model":"scripted-plain","embeddings":[[0.5,-0.25]],"prompt_eval_count":2}');
    });
    await using gateway = await testGateway(upstream);
    const send = async (path: string, body: object): Promise<unknown> => {
      const json = JSON.stringify({ model: 'scripted-plain', ...body });
      const response = await gateway.fetch(path, { method: 'POST', body: json });
      assert.equal(response.status, 200);
      return await response.json();
    };
    for (const body of [{ prompt: 'hi' }, { prompt: ['hi', 'ho'], echo: true, logprobs: 1 }]) {
      const completion = await send('/v1/completions', body);
      assertMatches('CreateCompletionResponse', completion);
      assert.match((completion as Completion).choices[0]?.text ?? '', /Yes$/);
    }
    for (const body of [{}, { encoding_format: 'base64' }]) {
      assertMatches('CreateEmbeddingResponse', await send('/v1/embeddings', { input: 'hi', ...body }));
    }
  });

  test('/v1/models of an upstream without models', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), []);
    await using gateway = await testGateway(upstream);
    const list = await (await gateway.fetch('/v1/models')).json();
    assertMatches('ListModelsResponse', list);
    assert.deepEqual((list as { data: unknown[] }).data, []);
  });

  test('errors of every route', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const refused = [
      await gateway.chat({ messages: 'hi' }),
      await gateway.chat({}, { headers: { authorization: 'Bearer nobody' } }),
      await gateway.fetch('/v1/nothing'),
      await gateway.fetch('/v1/models/nothing'),
      await gateway.fetch('/v1/chat/completions', { method: 'DELETE' }),
    ];
    assert.deepEqual(
      refused.map(({ status }) => status),
      [400, 401, 404, 404, 405],
    );
    for (const response of refused) assertMatches('ErrorResponse', await response.json());
  });
});

describe('assertMatches', () => {
  const chunk = {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1795233600,
    model: 'm',
    choices: [{ index: 0, delta: { content: 'a' }, logprobs: null, finish_reason: null }],
    usage: null,
  };
  const invalid: Record<string, object> = {
    'an unknown finish_reason': { choices: [{ index: 0, delta: {}, finish_reason: 'load' }] },
    'a missing field': { choices: [{ delta: {}, finish_reason: null }] },
    'an unknown field': { choices: [{ index: 0, delta: { contents: 'a' }, finish_reason: null }] },
    'reasoning outside of a delta': { choices: [{ index: 0, delta: {}, reasoning: 'a', finish_reason: null }] },
    'a null that the schema forbids': { choices: null },
    'usage without its sum': { usage: { prompt_tokens: 1, completion_tokens: 1 } },
  };

  test('accepts a valid chunk', () => {
    assertMatches('CreateChatCompletionStreamResponse', chunk);
  });

  for (const [name, fields] of Object.entries(invalid)) {
    test(`rejects ${name}`, () => {
      assert.throws(() => assertMatches('CreateChatCompletionStreamResponse', { ...chunk, ...fields }), /^Assert/);
    });
  }

  test('accepts base64 embeddings and the nulls of streamed completions, which the schemas lack', () => {
    assertMatches('CreateEmbeddingResponse', {
      object: 'list',
      model: 'm',
      data: [{ object: 'embedding', index: 0, embedding: 'AACAPw==' }],
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
    assertMatches('CreateCompletionResponse', {
      id: 'cmpl-1',
      object: 'text_completion',
      created: 1795233600,
      model: 'm',
      choices: [{ index: 0, text: 'a', logprobs: null, finish_reason: null }],
      usage: null,
    });
  });
});

/** As `assertMatches`, with the name of the golden in the error. */
function matches(name: string, schema: SchemaName, value: unknown): void {
  try {
    assertMatches(schema, value);
  } catch (error) {
    throw new Error(`${name} does not match its schema`, { cause: error });
  }
}
