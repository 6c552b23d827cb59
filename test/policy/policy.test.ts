import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { sendJson } from '../helpers/answers.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { replay } from '../helpers/replay.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type SeenRequest, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

type Sent = Record<string, unknown> & {
  options?: Record<string, unknown>;
  messages?: { role: string; content: string }[];
};
const sentBody = (request: SeenRequest | undefined): Sent => JSON.parse(request?.body ?? '{}') as Sent;
const native = (body: string): RequestInit => ({ method: 'POST', body });

suite('rules of a model', () => {
  const settings = {
    aliases: { 'gpt-4o-mini': 'llama3:8b' },
    default_model: 'llama3:8b',
    models: [
      {
        match: 'llama3*',
        options: { num_ctx: 4096, top_k: 10 },
        pin: { num_ctx: 16384, temperature: 0.1 },
        keep_alive: '1h',
        think: false,
        max_tokens: 100,
        system_prepend: 'first',
        system_append: 'last',
      },
    ],
  };
  const expectedOptions = { num_ctx: 16384, top_k: 10, temperature: 0.1, num_predict: 100 };

  test('resolve aliases, the ollama/ prefix and the default model', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['llama3:8b', 'other:latest']);
    await using gateway = await testGateway(upstream, settings);
    const names: [object, string, string][] = [
      [{ model: 'gpt-4o-mini' }, 'llama3:8b', 'gpt-4o-mini'],
      [{ model: 'ollama/other' }, 'other', 'ollama/other'],
      [{ model: 'ollama_chat/gpt-4o-mini' }, 'llama3:8b', 'ollama_chat/gpt-4o-mini'],
      [{ model: undefined }, 'llama3:8b', 'llama3:8b'],
      [{ model: '' }, 'llama3:8b', 'llama3:8b'],
    ];
    for (const [body, sent, shown] of names) {
      const answer = (await (await gateway.chat(body)).json()) as { model: string };
      assert.deepEqual([sentBody(upstream.requests.at(-1))['model'], answer.model], [sent, shown]);
    }
    await (await gateway.fetch('/api/chat', native('{"model":"gpt-4o-mini","messages":[]}'))).text();
    assert.equal(sentBody(upstream.requests.at(-1))['model'], 'llama3:8b');
    const list = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(
      list.data.map(({ id }) => id),
      ['llama3:8b', 'other:latest', 'gpt-4o-mini'],
    );
    assert.equal((await gateway.fetch('/v1/models/gpt-4o-mini')).status, 200);
  });

  test('refuse a request without a model when there is no default model', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const response = await gateway.chat({ model: undefined });
    const { error } = (await response.json()) as { error: { param: string } };
    assert.deepEqual([response.status, error.param], [400, 'model']);
  });

  test('set the same options on every route, so that no client makes Ollama reload the model', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['llama3:8b']);
    await using gateway = await testGateway(upstream, settings);
    await gateway.chat({
      model: 'llama3:8b',
      temperature: 1,
      max_tokens: 5000,
      options: { num_ctx: 512 },
      keep_alive: 0,
    });
    const text =
      '{"MODEL":"llama3:8b","OPTIONS":{"num_ctx":8294,"num_predict":-1},"Keep_Alive":"5m","messages":[{"role":"user","content":"hi"}]}';
    await gateway.fetch('/api/chat', native(text));
    for (const request of upstream.requests) {
      const sent = sentBody(request);
      assert.deepEqual(sent.options, expectedOptions, request.url);
      assert.deepEqual([sent['keep_alive'], sent['think']], ['1h', false]);
      assert.deepEqual(
        sent.messages?.map(({ content }) => content),
        ['first', 'hi', 'last'],
      );
      assert.deepEqual(
        Object.keys(sent).filter((name) => name !== name.toLowerCase()),
        [],
      );
    }
    await gateway.fetch('/api/generate', native('{"model":"llama3:8b","prompt":"hi","think":true}'));
    const generate = sentBody(upstream.requests.at(-1));
    assert.deepEqual([generate.options, generate['think'], generate['keep_alive']], [expectedOptions, true, '1h']);
    await gateway.fetch('/api/embed', native('{"model":"llama3:8b","input":"hi"}'));
    const embed = sentBody(upstream.requests.at(-1));
    assert.deepEqual([embed.options?.['num_ctx'], embed['keep_alive'], embed['think']], [16384, '1h', undefined]);
    await gateway.fetch('/v1/embeddings', native('{"model":"llama3:8b","input":"hi"}'));
    assert.equal(sentBody(upstream.requests.at(-1)).options?.['num_ctx'], 16384);
  });

  test('leave requests for other models unchanged', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['other:latest']);
    await using gateway = await testGateway(upstream, settings);
    const text = '{ "model" : "other",  "options":{"num_ctx":1}, "messages":[] }';
    await gateway.fetch('/api/chat', native(text));
    assert.equal(upstream.requests[0]?.body, text);
  });

  test('allow a key a model by its alias only', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['llama3:8b']);
    const keys = [{ name: 'a', hash: hashSecret(secret), models: ['gpt-4o-mini'] }];
    await using gateway = await testGateway(upstream, { ...settings, keys });
    assert.equal((await gateway.chat({ model: 'gpt-4o-mini' })).status, 200);
    assert.equal((await gateway.chat({ model: 'llama3:8b' })).status, 403);
  });
});

suite('dropped fields', () => {
  const body = { logit_bias: { 1: 2 }, user: 'me', 'x\r\ny': 1 };

  test('are listed in a header and counted', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const stream of [true, false]) {
      const response = await gateway.chat({ ...body, stream });
      assert.equal(response.headers.get('x-llamaduct-dropped'), 'other, logit_bias, user');
      await response.text();
    }
    assert.equal((await gateway.chat()).headers.get('x-llamaduct-dropped'), null);
    assert.equal(await gateway.metric('llamaduct_translation_lossy_total{field="logit_bias"}'), 2);
    assert.equal(await gateway.metric('llamaduct_translation_lossy_total{field="other"}'), 2);
  });

  test('are a 400 in strict mode', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { strict: true });
    const response = await gateway.chat({ user: 'me' });
    const { error } = (await response.json()) as { error: { param: string } };
    assert.deepEqual([response.status, error.param, upstream.requests.length], [400, 'user', 0]);
    assert.equal((await gateway.chat()).status, 200);
  });
});

suite('reasoning effort', () => {
  const refusals: [unknown, string[], unknown, string | null][] = [
    ['low', ['think value "low" is not supported for this model'], true, null],
    ['max', ['invalid think value: "max" (must be "high", "medium", "low", true, or false)'], 'high', null],
    [
      'xhigh',
      ['invalid think value: "max" (must be …)', 'think value "high" is not supported for this model'],
      true,
      null,
    ],
    ['high', ['"scripted-plain" does not support thinking'], undefined, 'reasoning_effort'],
    ['none', [], false, null],
  ];
  for (const [effort, messages, think, dropped] of refusals) {
    test(`${String(effort)} is sent as think: ${JSON.stringify(think)} after ${messages.length} refusals`, async () => {
      const remaining = [...messages];
      await using upstream = await fakeUpstream((res, request) => {
        const message = remaining.shift();
        if (message === undefined) return plainAnswer()(res, request);
        res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error: message }));
      });
      await using gateway = await testGateway(upstream);
      const response = await gateway.chat({ reasoning_effort: effort });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('x-llamaduct-dropped'), dropped);
      assert.equal(sentBody(upstream.requests.at(-1))['think'], think);
      assert.equal(upstream.requests.length, messages.length + 1);
    });
  }

  test('thinking is hidden by request, by key or by model', async () => {
    await using upstream = await fakeUpstream(replay('ollama-0.17.4/chat-think-true-stream'));
    const keys = [
      { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'metrics'] },
      { name: 'plain', hash: hashSecret('ld-plain'), hide_thinking: true },
    ];
    await using shown = await testGateway(upstream, { keys });
    await using hidden = await testGateway(upstream, { models: [{ match: 'scripted*', hide_thinking: true }] });
    const thinks = async (response: Promise<Response>): Promise<boolean> =>
      (await (await response).text()).includes('reasoning');
    assert.equal(await thinks(shown.chat()), true);
    assert.equal(await thinks(shown.chat({ stream: true })), true);
    for (const stream of [true, false]) {
      assert.equal(await thinks(shown.chat({ stream, hide_thinking: true })), false);
      assert.equal(await thinks(shown.chat({ stream, hidethinking: true })), false);
      assert.equal(await thinks(shown.chat({ stream }, { headers: { authorization: 'Bearer ld-plain' } })), false);
      assert.equal(await thinks(hidden.chat({ stream })), false);
    }
  });
});

suite('a prompt longer than the context', () => {
  const overflowing: Parameters<typeof fakeUpstream>[0] = (res, request) => {
    if (request.url === '/api/ps') {
      res.end('{"models":[{"name":"scripted-plain:latest","context_length":4096}]}');
    } else if (sentBody(request)['truncate'] === false) {
      res.writeHead(400).end('{"error":"the input length exceeds the context length"}');
    } else {
      void plainAnswer()(res, request);
    }
  };
  const messages = [{ role: 'user', content: 'x'.repeat(20_000) }];

  test('is a 400 with both sizes', async () => {
    await using upstream = await fakeUpstream(overflowing);
    await using gateway = await testGateway(upstream);
    for (const stream of [true, false]) {
      const response = await gateway.chat({ messages, stream });
      const { error } = (await response.json()) as { error: { code: string; message: string; param: string } };
      assert.deepEqual([response.status, error.code, error.param], [400, 'context_length_exceeded', 'messages']);
      assert.match(error.message, /4096 tokens.*5000 tokens/);
    }
    const model = 'model="scripted-plain:latest"';
    assert.equal(await gateway.metric(`llamaduct_context_overflow_total{${model},outcome="refused"}`), 2);
  });

  test('states no context that the prompt would fit into', async () => {
    await using upstream = await fakeUpstream((res, request) => {
      if (request.url === '/api/chat') res.writeHead(400).end('{"error":"prompt is too long: 3000 tokens"}');
      else void overflowing(res, request);
    });
    await using gateway = await testGateway(upstream);
    const response = await gateway.chat({ messages });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.deepEqual([response.status, error.code], [400, 'context_length_exceeded']);
    assert.equal(error.message, 'prompt is too long: 3000 tokens');
  });

  /** A server that does not say with which context a model is loaded. */
  const unloaded =
    (show: object): Parameters<typeof fakeUpstream>[0] =>
    (res, request) => {
      if (request.url === '/api/ps') res.end('{"models":[]}');
      else if (request.url === '/api/show') sendJson(res, 200, show);
      else void overflowing(res, request);
    };
  const shown = {
    parameters: 'stop       "<|im_end|>"\nnum_ctx                        2048',
    model_info: { 'general.architecture': 'llama', 'llama.context_length': 8192 },
  };

  for (const [source, show, models, context] of [
    ['the pinned num_ctx', shown, [{ match: '*', pin: { num_ctx: 1024 } }], 1024],
    ["the model's file", shown, [], 2048],
    ['what the model was made for', { model_info: shown.model_info }, [], 8192],
  ] as const) {
    test(`names the context by ${source} if the model is not loaded`, async () => {
      await using upstream = await fakeUpstream(unloaded(show));
      await using gateway = await testGateway(upstream, { models });
      const response = await gateway.chat({ messages });
      const { error } = (await response.json()) as { error: { message: string } };
      assert.match(error.message, new RegExp(`context of ${context} tokens: about \\d+ tokens`));
    });
  }

  for (const [path, prompt] of [
    ['/api/chat', { messages }],
    ['/api/generate', { prompt: 'x'.repeat(20_000) }],
    ['/api/embed', { input: 'x'.repeat(20_000) }],
  ] as const) {
    test(`is a 400 with both sizes on ${path} with on_overflow: error`, async () => {
      await using upstream = await fakeUpstream(overflowing);
      await using gateway = await testGateway(upstream, { models: [{ match: '*', on_overflow: 'error' }] });
      const send = async (more: object): Promise<Response> => {
        const body = JSON.stringify({ model: 'scripted-plain', ...prompt, ...more });
        return await gateway.fetch(path, { method: 'POST', body });
      };
      const refused = await send({});
      assert.equal(refused.status, 400);
      assert.match(((await refused.json()) as { error: string }).error, /4096 tokens.*50\d\d tokens/);
      await (await send({ truncate: true })).text();
      assert.equal(sentBody(upstream.requests.at(-1))['truncate'], true, 'the client asked for it');
    });

    test(`is what Ollama makes of it on ${path} with another rule`, async () => {
      await using upstream = await fakeUpstream(overflowing);
      await using gateway = await testGateway(upstream, { models: [{ match: '*', pin: { num_ctx: 4096 } }] });
      await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', ...prompt }) });
      assert.ok(!('truncate' in sentBody(upstream.requests.at(-1))));
    });
  }

  test('has the words on /v1/messages by which agents shorten the conversation or lower max_tokens', async () => {
    const words =
      "This model's maximum context length is 8192 tokens. However, you requested 5000 output tokens and your prompt contains at least 4000 input tokens";
    for (const [text, message] of [
      ['prompt too long; exceeded max context length by 777 tokens', 'prompt is too long: 4873 tokens > 4096 maximum'],
      [
        words,
        'input length and `max_tokens` exceed context limit: 4000 + 5000 > 8192, decrease input length or `max_tokens` and try again',
      ],
    ]) {
      await using upstream = await fakeUpstream((res, request) => {
        if (request.url === '/api/ps') void overflowing(res, request);
        else sendJson(res, 400, { error: text });
      });
      await using gateway = await testGateway(upstream);
      const body = JSON.stringify({ model: 'scripted-plain', max_tokens: 5000, messages });
      const response = await gateway.fetch('/v1/messages', { method: 'POST', body });
      assert.equal(response.status, 400);
      assert.deepEqual(await response.json(), { type: 'error', error: { type: 'invalid_request_error', message } });
    }
  });

  test("is a 400 with a newer Ollama's own message, which has both sizes", async () => {
    await using upstream = await fakeUpstream(replay('ollama-0.33/chat-ctx-truncate-false-stream'));
    await using gateway = await testGateway(upstream);
    const response = await gateway.chat({ messages });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.deepEqual([response.status, error.code], [400, 'context_length_exceeded']);
    assert.match(error.message, /\d+ tokens.*\d+ tokens/);
  });

  test('is truncated with on_overflow: truncate, and a header says so', async () => {
    await using upstream = await fakeUpstream(overflowing);
    await using gateway = await testGateway(upstream, { models: [{ match: '*', on_overflow: 'truncate' }] });
    const response = await gateway.chat({ messages });
    assert.deepEqual([response.status, response.headers.get('x-llamaduct-truncated')], [200, 'true']);
    assert.equal(sentBody(upstream.requests.at(-1))['truncate'], true);
    const model = 'model="scripted-plain:latest"';
    assert.equal(await gateway.metric(`llamaduct_context_overflow_total{${model},outcome="truncated"}`), 1);
  });
});

suite('n', () => {
  test('choices are interleaved with their own index, and usage is summed', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res) => {
      count += 1;
      ndjson(res).write(chatLine(`answer ${count}`));
      res.end(doneLine({ prompt_eval_count: 10, eval_count: count }));
    });
    await using gateway = await testGateway(upstream);
    const whole = (await (await gateway.chat({ n: 3, seed: 5 })).json()) as {
      choices: { index: number; message: { content: string } }[];
      usage: object;
    };
    assert.deepEqual(
      whole.choices.map(({ index }) => index),
      [0, 1, 2],
    );
    assert.equal(new Set(whole.choices.map(({ message }) => message.content)).size, 3);
    assert.deepEqual(whole.usage, { prompt_tokens: 30, completion_tokens: 6, total_tokens: 36 });
    assert.deepEqual(
      upstream.requests.map((request) => Number(sentBody(request).options?.['seed'])).toSorted((a, b) => a - b),
      [5, 6, 7],
    );
    const text = await (await gateway.chat({ n: 2, stream: true, stream_options: { include_usage: true } })).text();
    for (const index of [0, 1]) {
      assert.match(text, new RegExp(`\\{"index":${index},"delta":\\{"role":"assistant","content":"answer \\d"\\}`));
      assert.match(text, new RegExp(`\\{"index":${index},"delta":\\{\\},"finish_reason":"stop"\\}`));
    }
    assert.match(
      text,
      /"choices":\[\],"usage":\{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29\}\}\n\n.*\[DONE\]\n\n$/s,
    );
  });

  test('a failed choice aborts the others; more choices than the limit are a 400', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res) => {
      count += 1;
      if (count === 2) res.writeHead(500).end('{"error":"boom"}');
      else ndjson(res).write(chatLine('Hel'));
    });
    await using gateway = await testGateway(upstream, { limits: { choices: 2 } });
    assert.equal((await gateway.chat({ n: 2 })).status, 502);
    while (upstream.open > 0) await new Promise(setImmediate);
    assert.equal((await gateway.chat({ n: 3 })).status, 400);
  });

  test('a choice that fails in mid-stream ends the answer with an error', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res) => {
      count += 1;
      ndjson(res).write(chatLine('Hel'));
      if (count === 2) setImmediate(() => res.end('{"error":"boom"}\n'));
    });
    await using gateway = await testGateway(upstream);
    const text = await (await gateway.chat({ n: 2, stream: true })).text();
    assert.match(text, /data: \{"error":\{[^\n]*\n\n$/);
    assert.doesNotMatch(text, /\[DONE\]/);
    while (upstream.open > 0) await new Promise(setImmediate);
  });
});

suite('answers with a schema', () => {
  const format = {
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] } },
    },
  };

  test('are validated, and generated again with another seed if invalid', async () => {
    const answers = ['{"a":"no"}', '{"a":1}'];
    await using upstream = await fakeUpstream(
      (res) => void ndjson(res).end(chatLine(answers.shift() ?? '') + doneLine()),
    );
    await using gateway = await testGateway(upstream, { validate_json: true });
    const body = (await (await gateway.chat({ ...format, seed: 1 })).json()) as {
      choices: { message: { content: string } }[];
    };
    assert.equal(body.choices[0]?.message.content, '{"a":1}');
    assert.deepEqual(
      upstream.requests.map((request) => sentBody(request).options?.['seed']),
      [1, 2],
    );
    const model = 'model="scripted-plain:latest"';
    assert.equal(
      await gateway.metric(`llamaduct_tokens_total{key="tester",${model},type="output"}`),
      88,
      'both are counted',
    );
  });

  test('are an error if still invalid; without validation they are sent', async () => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).end(chatLine('{"a":"no"}') + doneLine()));
    await using checking = await testGateway(upstream, { validate_json: true });
    assert.equal((await checking.chat(format)).status, 502);
    await using trusting = await testGateway(upstream);
    assert.equal((await trusting.chat(format)).status, 200);
  });

  test('an invalid schema is a 400', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const nonsense = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'nonsense' } } };
    const response = await gateway.chat({ response_format: nonsense });
    const { error } = (await response.json()) as { error: { param: string } };
    assert.deepEqual([response.status, upstream.requests.length], [400, 0]);
    assert.match(error.param, /^response_format/);
  });
});

test('server-timing is a header of a complete answer and a comment in a stream', async () => {
  const done = doneLine({ total_duration: 10e9, load_duration: 3e9, prompt_eval_duration: 2e9, eval_duration: 4e9 });
  await using upstream = await fakeUpstream((res) => void ndjson(res).end(chatLine('Hi') + done));
  await using gateway = await testGateway(upstream);
  const timing = 'queue;dur=1000, load;dur=3000, prompt;dur=2000, generate;dur=4000';
  assert.equal((await gateway.chat()).headers.get('server-timing'), timing);
  assert.match(
    await (await gateway.chat({ stream: true })).text(),
    new RegExp(`\n\n: server-timing: ${timing}\n\ndata: \\[DONE\\]\n\n$`),
  );
});

test("server-timing's queue includes the wait in llamaduct's queue", async () => {
  await using upstream = await heldUpstream();
  await using gateway = await testGateway(upstream, { upstream: { parallel: 1 } });
  const first = gateway.chat();
  await until('the first request', () => upstream.held === 1);
  const waiting = [gateway.chat(), gateway.chat({ stream: true })];
  await until(
    'two waiting requests',
    async () => (await gateway.metric('llamaduct_queue_depth{upstream="ollama"}')) === 2,
  );
  upstream.flow();
  await (await first).text();
  const [whole, streamed] = await Promise.all(waiting);
  const text = (await streamed?.text()) ?? '';
  await whole?.text();
  for (const [response, timing] of [
    [whole, whole?.headers.get('server-timing')],
    [streamed, text],
  ] as const) {
    const waited = Number(response?.headers.get('x-llamaduct-queue-wait')) * 1000;
    const queue = Number(/queue;dur=([\d.]+)/.exec(timing ?? '')?.[1]);
    assert.ok(waited > 0 && queue >= Math.floor(waited), `${queue} of ${waited}`);
  }
});
