import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import OpenAI from 'openai';
import type { CreateEmbeddingResponse } from 'openai/resources/embeddings';
import { hashSecret } from '../../src/config/secret.ts';
import { json } from '../helpers/answers.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { type Recording, recording, recordings } from '../helpers/recordings.ts';
import { replay } from '../helpers/replay.ts';
import { type Answer, type SeenRequest, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const models = ['scripted-embed:latest', 'scripted-plain:latest'];

interface ErrorResponse {
  readonly error: { message: string; type: string; param: string | null; code: string | null };
}

/** A gateway in front of an upstream with an embedding model. */
async function start(answer: Answer, settings: Record<string, unknown> = {}): Promise<Proxied> {
  return await proxied(answer, settings, models);
}

async function embed(gateway: TestGateway, body: object = {}, init: RequestInit = {}): Promise<Response> {
  return await gateway.fetch('/v1/embeddings', {
    method: 'POST',
    body: JSON.stringify({ model: 'scripted-embed', input: 'hello', ...body }),
    ...init,
  });
}

async function refusal(response: Response): Promise<[number, string | null, string | null]> {
  const { error } = (await response.json()) as ErrorResponse;
  return [response.status, error.code, error.param];
}

const sent = ({ body }: SeenRequest): unknown => JSON.parse(body);

interface Native {
  readonly embeddings: number[][];
  readonly prompt_eval_count: number;
}
const nativeBody = ({ body }: Recording): Native => JSON.parse(body.toString('utf8')) as Native;

const embedRecordings = recordings(/^embed-/).filter(({ path }) => path === '/api/embed');

suite('recorded embeddings', () => {
  const whole = embedRecordings.filter(({ status, body }) => status === 200 && !body.includes('"embeddings":[]'));
  for (const recorded of whole) {
    const { name, request } = recorded;
    if (name.endsWith('dimensions-too-many')) continue;
    test(`are returned in OpenAI's format: ${name}`, async () => {
      const { embeddings, prompt_eval_count: tokens } = nativeBody(recorded);
      await using p = await start(replay(name));
      const response = await embed(p.gateway, request ?? {});
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'application/json');
      assert.deepEqual(await response.json(), {
        object: 'list',
        model: request?.['model'],
        data: embeddings.map((embedding, index) => ({ object: 'embedding', index, embedding })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      } satisfies Omit<CreateEmbeddingResponse, 'model'> & { model: unknown });
      const input = [request?.['input']].flat();
      assert.deepEqual(p.upstream.requests.map(sent), [{ truncate: false, ...request, input }]);
      assert.equal(p.upstream.requests[0]?.url, '/api/embed');
    });

    test(`are read by the openai package, which requests base64: ${name}`, async () => {
      await using p = await start(replay(name));
      const client = new OpenAI({ baseURL: `${p.gateway.url}/v1`, apiKey: secret });
      const { data } = await client.embeddings.create({ model: 'scripted-embed', input: request?.['input'] as string });
      assert.deepEqual(
        data.map(({ embedding }) => embedding),
        nativeBody(recorded).embeddings.map((vector) => vector.map(Math.fround)),
      );
    });
  }

  test('exist for each version of Ollama', () => {
    assert.deepEqual(
      ['ollama-0.17.4', 'ollama-0.33'].map((server) => whole.filter(({ name }) => name.startsWith(server)).length),
      [6, 3],
    );
  });
});

suite('recorded errors of embeddings', () => {
  type Refusal = [status: number, code: string | null, param: string | null];
  const badInput: Refusal = [400, null, 'input'];
  const tooLong: Refusal = [400, 'context_length_exceeded', 'input'];
  /**
   * `request` is the response to the recorded request when llamaduct refuses it itself, `answer` the response to another
   * request that gets the recorded answer.
   */
  const refused: Record<string, { request?: Refusal; answer: Refusal }> = {
    'ollama-0.17.4/embed-dimensions-too-many': { answer: [400, null, 'dimensions'] },
    'ollama-0.17.4/embed-empty-array': { request: badInput, answer: [502, 'upstream_protocol_error', null] },
    'ollama-0.17.4/embed-empty-in-array': { request: [400, null, 'input[0]'], answer: badInput },
    'ollama-0.17.4/embed-empty-string': { request: badInput, answer: [502, 'upstream_protocol_error', null] },
    'ollama-0.17.4/embed-input-absent': { request: badInput, answer: [502, 'upstream_protocol_error', null] },
    'ollama-0.17.4/embed-input-number': { request: badInput, answer: [400, null, null] },
    'ollama-0.17.4/embed-input-tokens': { answer: [400, null, null] },
    'ollama-0.17.4/embed-model-absent': { request: [400, null, 'model'], answer: [502, 'upstream_error', null] },
    'ollama-0.17.4/embed-truncate-false': { answer: tooLong },
    'ollama-0.17.4/embed-unknown-model': { answer: [404, 'model_not_found', 'model'] },
    'ollama-0.33/embed-empty-array': { request: badInput, answer: [502, 'upstream_protocol_error', null] },
    'ollama-0.33/embed-empty-in-array': { request: [400, null, 'input[0]'], answer: tooLong },
    'ollama-0.33/embed-empty-string': { request: badInput, answer: [502, 'upstream_protocol_error', null] },
    'ollama-0.33/embed-input-number': { request: badInput, answer: [400, null, null] },
    'ollama-0.33/embed-plain-single': { answer: [400, null, 'model'] },
    'ollama-0.33/embed-truncate-false': { answer: tooLong },
  };
  for (const [name, expected] of Object.entries(refused)) {
    const { request } = recording(name);
    test(`give an error in OpenAI's format: ${name}`, async () => {
      await using p = await start(replay(name));
      const response = await p.gateway.fetch('/v1/embeddings', { method: 'POST', body: JSON.stringify(request) });
      assert.deepEqual(await refusal(response), expected.request ?? expected.answer);
      if (expected.request === undefined) return;
      assert.equal(p.upstream.requests.length, 0);
      assert.deepEqual(await refusal(await embed(p.gateway)), expected.answer);
    });
  }

  test('are all recordings without vectors', () => {
    const vectors = embedRecordings.filter(({ status, body }) => status === 200 && !body.includes('"embeddings":[]'));
    const names = new Set([...vectors.map(({ name }) => name), ...Object.keys(refused)]);
    assert.deepEqual(
      embedRecordings.map(({ name }) => name).filter((name) => !names.has(name)),
      [],
    );
  });

  test('have a Retry-After when Ollama is busy', async () => {
    await using p = await start(replay('ollama-0.17.4/busy-503-embed'));
    const response = await embed(p.gateway);
    assert.equal(response.headers.get('retry-after'), '5');
    assert.deepEqual(await refusal(response), [503, 'upstream_busy', null]);
  });
});

/** An Ollama that reports the context of its model and refuses a longer text. */
function withContext(tokens: number): Answer {
  const loaded = json(200, { models: [{ name: 'scripted-embed:latest', context_length: tokens }] });
  const refused = replay('ollama-0.17.4/embed-truncate-false');
  const cut = replay('ollama-0.17.4/embed-truncated');
  return async (res, request) => {
    if (request.url === '/api/ps') await loaded(res, request);
    else await (request.body.includes('"truncate":false') ? refused : cut)(res, request);
  };
}
const overflows = (outcome: string): string =>
  `llamaduct_context_overflow_total{model="scripted-embed:latest",outcome="${outcome}"}`;

suite('embeddings that Ollama would change without an error', () => {
  test('are a 400 for more dimensions than the model has', async () => {
    await using p = await start(replay('ollama-0.17.4/embed-dimensions-too-many'));
    const response = await embed(p.gateway, { dimensions: 99_999 });
    const { error } = (await response.json()) as ErrorResponse;
    assert.deepEqual([response.status, error.type, error.param], [400, 'invalid_request_error', 'dimensions']);
    assert.match(error.message, /at most 256/);
    const tokens = 'llamaduct_tokens_total{key="tester",model="scripted-embed:latest",type="input"}';
    assert.equal(await p.gateway.metric(tokens), 3);
  });

  test('are a 400 with both sizes for a text longer than the context', async () => {
    await using p = await start(withContext(512));
    const response = await embed(p.gateway, { input: ['a', 'word '.repeat(600)] });
    const { error } = (await response.json()) as ErrorResponse;
    assert.deepEqual([response.status, error.code, error.param], [400, 'context_length_exceeded', 'input']);
    assert.match(error.message, /context of the model, 512 tokens\. The longest has 3000 characters\. .*"truncate"/);
    assert.equal(await p.gateway.metric(overflows('refused')), 1);
  });

  test('are truncated for a text longer than the context when the client sets `truncate`', async () => {
    await using p = await start(withContext(512));
    const response = await embed(p.gateway, { truncate: true });
    assert.deepEqual([response.status, response.headers.get('x-llamaduct-truncated')], [200, null]);
    assert.equal(p.upstream.requests.length, 1);
  });

  test('are truncated, with x-llamaduct-truncated, when the operator sets `on_overflow: truncate`', async () => {
    await using p = await start(withContext(512), { models: [{ match: '*', on_overflow: 'truncate' }] });
    const response = await embed(p.gateway);
    assert.deepEqual([response.status, response.headers.get('x-llamaduct-truncated')], [200, 'true']);
    assert.equal(((await response.json()) as CreateEmbeddingResponse).usage.prompt_tokens, 510);
    assert.equal(await p.gateway.metric(overflows('truncated')), 1);
    const untruncated = await embed(p.gateway, { truncate: false });
    assert.deepEqual(await refusal(untruncated), [400, 'context_length_exceeded', 'input']);
  });

  test(
    'are a 400 when truncation does not help, whether the client or the operator set it',
    { timeout: 10_000 },
    async () => {
      const answer = replay('ollama-0.33/embed-empty-in-array');
      const message = 'A text of the input is longer than the context of the model. The longest has 5 characters.';
      await using p = await start(answer);
      const refused = (await (await embed(p.gateway, { truncate: true })).json()) as ErrorResponse;
      assert.equal(refused.error.message, message);
      await using lenient = await start(answer, { models: [{ match: '*', on_overflow: 'truncate' }] });
      const { error } = (await (await embed(lenient.gateway)).json()) as ErrorResponse;
      assert.equal(error.message, message);
      assert.deepEqual(
        lenient.upstream.requests.map(({ url }) => url),
        ['/api/embed', '/api/embed', '/api/ps', '/api/show'],
      );
    },
  );

  for (const [encoding, hello] of [
    ['cl100k_base', [9906, 11, 289, 9603, 509, 0]],
    ['o200k_base', [13225, 11, 286, 2877, 582, 0]],
  ] as const) {
    test(`takes tokens of ${encoding} as the text that they stand for, and says so`, async () => {
      await using p = await start(json(200, { embeddings: [[1], [2]] }), { embeddings: { tokens: encoding } });
      const response = await embed(p.gateway, { input: [hello, 'text'] });
      assert.equal(response.status, 200, await response.clone().text());
      assert.equal(response.headers.get('x-llamaduct-decoded-tokens'), encoding);
      assert.partialDeepStrictEqual(sent(p.upstream.requests[0] as SeenRequest), { input: ['Hello, wörld!', 'text'] });
      p.upstream.answer = json(200, { embeddings: [[1]] });
      const text = await embed(p.gateway, { input: 'text' });
      assert.equal(text.headers.get('x-llamaduct-decoded-tokens'), null);
      await embed(p.gateway, { input: hello });
      assert.partialDeepStrictEqual(sent(p.upstream.requests.at(-1) as SeenRequest), { input: ['Hello, wörld!'] });
    });
  }

  test('are decoded for a server of kind openai too, also where requests are passed through', async () => {
    const answer = json(200, { data: [{ index: 0, embedding: [1] }], usage: { prompt_tokens: 1, total_tokens: 1 } });
    await using upstream = await openaiUpstream(answer, ['scripted-embed']);
    await using gateway = await testGateway([{ name: 'other', kind: 'openai', url: upstream.url }]);
    for (const input of [[9906], [[9906]]]) {
      assert.equal((await embed(gateway, { input })).status, 200);
      assert.partialDeepStrictEqual(sent(upstream.requests.at(-1) as SeenRequest), { input: ['Hello'] });
    }
  });

  test('is a 400 for a number that is no token, and for the tokens of no whole character', async () => {
    await using p = await start(json(200, {}));
    for (const [input, param] of [
      [[1, 100_256], 'input'],
      [['a', [1, 4_294_967_296]], 'input[1]'],
      [[[9468]], 'input'],
      [['a', Array.from({ length: 131_073 }, () => 1)], 'input[1]'],
    ] as const) {
      assert.deepEqual(await refusal(await embed(p.gateway, { input })), [400, null, param]);
    }
    assert.equal(p.upstream.requests.length, 0);
  });

  test('decodes many tokens whose texts fit into the memory for bodies, and refuses more with a 503', async () => {
    await using p = await start(json(200, { embeddings: [[1]] }), { limits: { body: '1MiB', bodies_total: '16MiB' } });
    assert.equal((await embed(p.gateway, { input: Array.from({ length: 50_000 }, () => 9906) })).status, 200);
    // A token of 128 spaces.
    const spaces = Array.from({ length: 60_000 }, () => 58_040);
    assert.equal((await embed(p.gateway, { input: spaces })).status, 503);
  });

  test('takes as many tokens as LangChain sends in one request, and refuses more than OpenAI would', async () => {
    const input = Array.from({ length: 1000 }, () => Array.from({ length: 300 }, () => 9906));
    await using p = await start(json(200, { embeddings: input.map(() => [1]) }));
    assert.equal((await embed(p.gateway, { input })).status, 200);
    const { input: texts } = sent(p.upstream.requests[0] as SeenRequest) as { input: string[] };
    assert.deepEqual([texts.length, texts[999]], [1000, 'Hello'.repeat(300)]);
    const more = await embed(p.gateway, { input: [...input, ...input] });
    assert.match(await more.text(), /more than 500000 values/);
    assert.equal(more.status, 400);
  });

  test('are a 400 for tokens where they are refused', async () => {
    await using p = await start(json(200, {}), { embeddings: { tokens: 'refuse' } });
    const client = new OpenAI({ baseURL: `${p.gateway.url}/v1`, apiKey: secret });
    for (const input of [
      [1, 2, 3],
      [[1, 2], [3]],
    ]) {
      await assert.rejects(client.embeddings.create({ model: 'scripted-embed', input }), (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError);
        assert.equal(error.param, 'input');
        assert.match(error.message, /Send the text itself/);
        return true;
      });
    }
    assert.equal(p.upstream.requests.length, 0);
  });
});

suite('a wrong answer to a request for embeddings', () => {
  const answers: Record<string, Answer> = {
    'too few vectors': json(200, { embeddings: [[1]] }),
    'too many vectors': json(200, { embeddings: [[1], [2], [3]] }),
    'an empty vector': json(200, { embeddings: [[1], []] }),
    'a vector with null': json(200, { embeddings: [[1], [null]] }),
    'no vectors': json(200, { error: 'none' }),
    'no object': json(200, []),
    'no JSON': (res) => void res.end('{"embeddings":[[1'),
  };
  for (const [name, answer] of Object.entries(answers)) {
    test(`is a 502: ${name}`, async () => {
      await using p = await start(answer);
      const response = await embed(p.gateway, { input: ['a', 'b'] });
      assert.deepEqual(await refusal(response), [502, 'upstream_protocol_error', null]);
    });
  }

  test('is a 502 as soon as it is larger than these vectors can be', { timeout: 10_000 }, async () => {
    await using p = await start((res) => {
      const more = (): void => {
        if (!res.destroyed) res.write('[0.25,0.25]'.repeat(10_000), more);
      };
      more();
    });
    const { error } = (await (await embed(p.gateway)).json()) as ErrorResponse;
    assert.deepEqual([error.code, error.message], ['upstream_protocol_error', 'The answer is too large.']);
    await until('the end of the upstream request', () => p.upstream.open === 0);
  });

  test('is a 502: a connection that breaks off', async () => {
    await using p = await start(replay('ollama-0.17.4/embed-array', { after: 'break' }));
    assert.deepEqual(await refusal(await embed(p.gateway, { input: ['a', 'b'] })), [502, 'upstream_incomplete', null]);
  });
});

suite('embeddings', () => {
  test('can be 2048 vectors of 1024 components', async () => {
    const vector = Array.from({ length: 1024 }, (_, index) => Math.fround(Math.sin(index)));
    const input = Array.from({ length: 2048 }, () => 'a');
    await using p = await start(json(200, { embeddings: input.map(() => vector), prompt_eval_count: 2048 }));
    const client = new OpenAI({ baseURL: `${p.gateway.url}/v1`, apiKey: secret });
    const { data, usage } = await client.embeddings.create({ model: 'scripted-embed', input });
    assert.deepEqual([data.length, data[2047]?.embedding, usage.total_tokens], [2048, vector, 2048]);
  });
});

suite('a request for embeddings', () => {
  const answer = replay('ollama-0.17.4/embed-embed-single');

  test('is counted and logged', async () => {
    await using p = await start(answer);
    const response = await embed(p.gateway);
    const requestId = response.headers.get('x-request-id') ?? '';
    assert.match(response.headers.get('server-timing') ?? '', /^load;dur=282\.02$/);
    assert.match(requestId, /^req_[0-9a-f]{32}$/);
    const labels = 'route="/v1/embeddings",key="tester",outcome="ok",model="scripted-embed:latest",upstream="ollama"';
    assert.equal(await p.gateway.metric(`llamaduct_requests_total{${labels}}`), 1);
    const tokens = (type: string): string =>
      `llamaduct_tokens_total{key="tester",model="scripted-embed:latest",type="${type}"}`;
    assert.deepEqual([await p.gateway.metric(tokens('input')), await p.gateway.metric(tokens('output'))], [3, 0]);
    const loads = 'llamaduct_upstream_load_seconds_count{model="scripted-embed:latest",upstream="ollama"}';
    assert.equal(await p.gateway.metric(loads), 1);
    const line = p.gateway.log.find(({ request_id: id }) => id === requestId);
    assert.deepEqual(
      [line?.['route'], line?.['model'], line?.['input_tokens'], line?.['status']],
      ['/v1/embeddings', 'scripted-embed', 3, 200],
    );
  });

  test('follows the aliases, the model rules and the default model', async () => {
    const settings = {
      aliases: { 'text-embedding-3-small': 'scripted-embed' },
      default_model: 'text-embedding-3-small',
      models: [{ match: 'scripted-*', pin: { num_ctx: 256 }, keep_alive: '1h' }],
    };
    await using p = await start(answer, settings);
    const modelOf = async (body: object): Promise<string> =>
      ((await (await embed(p.gateway, body)).json()) as CreateEmbeddingResponse).model;
    const request = { model: 'text-embedding-3-small', options: { num_ctx: 64, num_batch: 8 }, keep_alive: 0 };
    assert.equal(await modelOf(request), 'text-embedding-3-small');
    assert.deepEqual(p.upstream.requests.map(sent), [
      {
        model: 'scripted-embed',
        input: ['hello'],
        truncate: false,
        options: { num_ctx: 256, num_batch: 8 },
        keep_alive: '1h',
      },
    ]);
    assert.equal(await modelOf({ model: undefined }), 'scripted-embed');
  });

  test('lists unsupported fields in x-llamaduct-dropped, and is a 400 in strict mode', async () => {
    await using p = await start(answer);
    const response = await embed(p.gateway, { user: 'me' });
    assert.deepEqual([response.status, response.headers.get('x-llamaduct-dropped')], [200, 'user']);
    assert.equal(await p.gateway.metric('llamaduct_translation_lossy_total{field="user"}'), 1);
    await using strict = await start(answer, { strict: true });
    assert.deepEqual(await refusal(await embed(strict.gateway, { user: 'me' })), [400, null, 'user']);
  });

  test("keeps the client's x-request-id", async () => {
    await using p = await start(answer);
    const headers = { 'x-request-id': 'mine-1' };
    assert.equal((await embed(p.gateway, {}, { headers })).headers.get('x-request-id'), 'mine-1');
  });

  test('needs a key with the scope `inference` that may use the model', async () => {
    const keys = [
      { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'metrics'] },
      { name: 'limited', hash: hashSecret('ld-limited'), models: ['scripted-e*'] },
      { name: 'scraper', hash: hashSecret('ld-scraper'), scopes: ['metrics'] },
    ];
    await using p = await start(answer, { keys });
    const as = async (key: string, model: string): Promise<number> =>
      (await embed(p.gateway, { model }, { headers: { authorization: `Bearer ${key}` } })).status;
    assert.equal(await as('ld-limited', 'scripted-embed'), 200);
    assert.equal(await as('ld-limited', 'scripted-plain'), 403);
    assert.equal(await as('ld-scraper', 'scripted-embed'), 403);
    assert.equal(await as('ld-nobody', 'scripted-embed'), 401);
    assert.equal(p.upstream.requests.length, 1);
  });

  test('is a 405 unless it is a POST', async () => {
    await using p = await start(answer);
    const response = await p.gateway.fetch('/v1/embeddings');
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST']);
  });

  test('ends when the client disconnects before the answer', async () => {
    await using p = await start(() => undefined);
    const controller = new AbortController();
    const response = embed(p.gateway, {}, { signal: controller.signal });
    await p.reached();
    controller.abort();
    await assert.rejects(response, { name: 'AbortError' });
    assert.equal(await p.phaseLeft(), 'waiting');
  });

  test('ends when the client disconnects in the middle of the answer', async () => {
    let begun = false;
    await using p = await start((res) => {
      res.write('{"embeddings":[[0.5,', () => {
        begun = true;
      });
    });
    const controller = new AbortController();
    const response = embed(p.gateway, {}, { signal: controller.signal });
    await p.reached();
    await until('the first bytes of the answer', () => begun);
    controller.abort();
    await assert.rejects(response, { name: 'AbortError' });
    assert.equal(await p.phaseLeft(), 'waiting');
  });
});
