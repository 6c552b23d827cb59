import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import OpenAI from 'openai';
import type { CreateEmbeddingResponse } from 'openai/resources/embeddings';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { type Recording, recording, recordings } from '../helpers/recordings.ts';
import { replay } from '../helpers/replay.ts';
import type { Answer, SeenRequest } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const models = ['scripted-embed:latest', 'scripted-plain:latest'];

interface ErrorAnswer {
  readonly error: { message: string; type: string; param: string | null; code: string | null };
}

async function inFrontOf(answer: Answer, settings: Record<string, unknown> = {}): Promise<Proxied> {
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
  const { error } = (await response.json()) as ErrorAnswer;
  return [response.status, error.code, error.param];
}

const json =
  (body: unknown, status = 200): Answer =>
  (res) =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const sent = ({ body }: SeenRequest): unknown => JSON.parse(body);

interface Native {
  readonly embeddings: number[][];
  readonly prompt_eval_count: number;
}
const said = ({ body }: Recording): Native => JSON.parse(body.toString('utf8')) as Native;

const embedRecordings = recordings(/^embed-/).filter(({ path }) => path === '/api/embed');

suite('recorded vectors, as an OpenAI client gets them', () => {
  const whole = embedRecordings.filter(({ status, body }) => status === 200 && !body.includes('"embeddings":[]'));
  for (const recorded of whole) {
    const { name, request } = recorded;
    if (name.endsWith('dimensions-too-many')) continue;
    test(name, async () => {
      const { embeddings, prompt_eval_count: tokens } = said(recorded);
      await using p = await inFrontOf(replay(name));
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

    test(`${name} with the openai package, which asks for base64`, async () => {
      await using p = await inFrontOf(replay(name));
      const client = new OpenAI({ baseURL: `${p.gateway.url}/v1`, apiKey: secret });
      const { data } = await client.embeddings.create({ model: 'scripted-embed', input: request?.['input'] as string });
      assert.deepEqual(
        data.map(({ embedding }) => embedding),
        said(recorded).embeddings.map((vector) => vector.map(Math.fround)),
      );
    });
  }

  test('there are some of each server', () => {
    assert.deepEqual(
      ['ollama-0.17.4', 'ollama-0.33'].map((server) => whole.filter(({ name }) => name.startsWith(server)).length),
      [6, 3],
    );
  });
});

suite('recorded refusals', () => {
  /** What comes of the recorded request, which may not reach Ollama, and of its recorded answer to any other. */
  type Told = [status: number, code: string | null, param: string | null];
  const badInput: Told = [400, null, 'input'];
  const tooLong: Told = [400, 'context_length_exceeded', 'input'];
  const refused: Record<string, { asked?: Told; answered: Told }> = {
    'ollama-0.17.4/embed-dimensions-too-many': { answered: [400, null, 'dimensions'] },
    'ollama-0.17.4/embed-empty-array': { asked: badInput, answered: [502, 'upstream_protocol_error', null] },
    'ollama-0.17.4/embed-empty-in-array': { asked: [400, null, 'input[0]'], answered: badInput },
    'ollama-0.17.4/embed-empty-string': { asked: badInput, answered: [502, 'upstream_protocol_error', null] },
    'ollama-0.17.4/embed-input-absent': { asked: badInput, answered: [502, 'upstream_protocol_error', null] },
    'ollama-0.17.4/embed-input-number': { asked: badInput, answered: [400, null, null] },
    'ollama-0.17.4/embed-input-tokens': { asked: badInput, answered: [400, null, null] },
    'ollama-0.17.4/embed-model-absent': { asked: [400, null, 'model'], answered: [502, 'upstream_error', null] },
    'ollama-0.17.4/embed-truncate-false': { answered: tooLong },
    'ollama-0.17.4/embed-unknown-model': { answered: [404, 'model_not_found', 'model'] },
    'ollama-0.33/embed-empty-array': { asked: badInput, answered: [502, 'upstream_protocol_error', null] },
    'ollama-0.33/embed-empty-in-array': { asked: [400, null, 'input[0]'], answered: tooLong },
    'ollama-0.33/embed-empty-string': { asked: badInput, answered: [502, 'upstream_protocol_error', null] },
    'ollama-0.33/embed-input-number': { asked: badInput, answered: [400, null, null] },
    'ollama-0.33/embed-plain-single': { answered: [400, null, 'model'] },
    'ollama-0.33/embed-truncate-false': { answered: tooLong },
  };
  for (const [name, { asked, answered }] of Object.entries(refused)) {
    const { request } = recording(name);
    test(name, async () => {
      await using p = await inFrontOf(replay(name));
      const response = await p.gateway.fetch('/v1/embeddings', { method: 'POST', body: JSON.stringify(request) });
      assert.deepEqual(await refusal(response), asked ?? answered);
      if (asked === undefined) return;
      assert.equal(p.upstream.requests.length, 0);
      assert.deepEqual(await refusal(await embed(p.gateway)), answered);
    });
  }

  test('every recording is one of these or holds vectors', () => {
    const vectors = embedRecordings.filter(({ status, body }) => status === 200 && !body.includes('"embeddings":[]'));
    const names = new Set([...vectors.map(({ name }) => name), ...Object.keys(refused)]);
    assert.deepEqual(
      embedRecordings.map(({ name }) => name).filter((name) => !names.has(name)),
      [],
    );
  });

  test('a busy Ollama says when to come back', async () => {
    await using p = await inFrontOf(replay('ollama-0.17.4/busy-503-embed'));
    const response = await embed(p.gateway);
    assert.equal(response.headers.get('retry-after'), '5');
    assert.deepEqual(await refusal(response), [503, 'upstream_busy', null]);
  });
});

/** Ollama with its model's context and its refusal of a text that is longer. */
function withContext(tokens: number): Answer {
  const loaded = json({ models: [{ name: 'scripted-embed:latest', context_length: tokens }] });
  const refused = replay('ollama-0.17.4/embed-truncate-false');
  const cut = replay('ollama-0.17.4/embed-truncated');
  return async (res, request) => {
    if (request.url === '/api/ps') await loaded(res, request);
    else await (request.body.includes('"truncate":false') ? refused : cut)(res, request);
  };
}
const overflows = (outcome: string): string =>
  `llamaduct_context_overflow_total{model="scripted-embed:latest",outcome="${outcome}"}`;

suite('what Ollama passes over in silence', () => {
  test('more dimensions than the model has', async () => {
    await using p = await inFrontOf(replay('ollama-0.17.4/embed-dimensions-too-many'));
    const response = await embed(p.gateway, { dimensions: 99_999 });
    const { error } = (await response.json()) as ErrorAnswer;
    assert.deepEqual([response.status, error.type, error.param], [400, 'invalid_request_error', 'dimensions']);
    assert.match(error.message, /at most 256/);
    const tokens = 'llamaduct_tokens_total{key="tester",model="scripted-embed:latest",type="input"}';
    assert.equal(await p.gateway.metric(tokens), 3);
  });

  test('a text over the context is refused, with its size and that of the context', async () => {
    await using p = await inFrontOf(withContext(512));
    const response = await embed(p.gateway, { input: ['a', 'word '.repeat(600)] });
    const { error } = (await response.json()) as ErrorAnswer;
    assert.deepEqual([response.status, error.code, error.param], [400, 'context_length_exceeded', 'input']);
    assert.match(error.message, /context of the model, 512 tokens\. The longest has 3000 characters\. .*"truncate"/);
    assert.equal(await p.gateway.metric(overflows('refused')), 1);
  });

  test('a text over the context is cut where the client says so', async () => {
    await using p = await inFrontOf(withContext(512));
    const response = await embed(p.gateway, { truncate: true });
    assert.deepEqual([response.status, response.headers.get('x-llamaduct-truncated')], [200, null]);
    assert.equal(p.upstream.requests.length, 1);
  });

  test('a text over the context is cut where the operator says so, and the answer tells', async () => {
    await using p = await inFrontOf(withContext(512), { models: [{ match: '*', on_overflow: 'truncate' }] });
    const response = await embed(p.gateway);
    assert.deepEqual([response.status, response.headers.get('x-llamaduct-truncated')], [200, 'true']);
    assert.equal(((await response.json()) as CreateEmbeddingResponse).usage.prompt_tokens, 510);
    assert.equal(await p.gateway.metric(overflows('truncated')), 1);
    const kept = await embed(p.gateway, { truncate: false });
    assert.deepEqual(await refusal(kept), [400, 'context_length_exceeded', 'input']);
  });

  test('a text that cannot be cut enough is refused, whoever let it be cut', { timeout: 10_000 }, async () => {
    const answer = replay('ollama-0.33/embed-empty-in-array');
    const message = 'A text of the input is longer than the context of the model. The longest has 5 characters.';
    await using p = await inFrontOf(answer);
    const asked = (await (await embed(p.gateway, { truncate: true })).json()) as ErrorAnswer;
    assert.equal(asked.error.message, message);
    await using lenient = await inFrontOf(answer, { models: [{ match: '*', on_overflow: 'truncate' }] });
    const { error } = (await (await embed(lenient.gateway)).json()) as ErrorAnswer;
    assert.equal(error.message, message);
    assert.deepEqual(
      lenient.upstream.requests.map(({ url }) => url),
      ['/api/embed', '/api/embed', '/api/ps'],
    );
  });

  test('tokens, before Ollama sees them', async () => {
    await using p = await inFrontOf(json({}));
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

suite('an answer that is not what was asked for is a 502', () => {
  const answers: Record<string, Answer> = {
    'too few vectors': json({ embeddings: [[1]] }),
    'too many vectors': json({ embeddings: [[1], [2], [3]] }),
    'an empty vector': json({ embeddings: [[1], []] }),
    'a vector with a gap': json({ embeddings: [[1], [null]] }),
    'no vectors': json({ error: 'none' }),
    'no object': json([]),
    'no JSON': (res) => void res.end('{"embeddings":[[1'),
  };
  for (const [name, answer] of Object.entries(answers)) {
    test(name, async () => {
      await using p = await inFrontOf(answer);
      const response = await embed(p.gateway, { input: ['a', 'b'] });
      assert.deepEqual(await refusal(response), [502, 'upstream_protocol_error', null]);
    });
  }

  test('more than so many vectors can take is not waited for', { timeout: 10_000 }, async () => {
    await using p = await inFrontOf((res) => {
      const more = (): void => {
        if (!res.destroyed) res.write('[0.25,0.25]'.repeat(10_000), more);
      };
      more();
    });
    const { error } = (await (await embed(p.gateway)).json()) as ErrorAnswer;
    assert.deepEqual([error.code, error.message], ['upstream_protocol_error', 'The answer is too large.']);
    await until('the upstream to be left', () => p.upstream.open === 0);
  });

  test('a connection that breaks', async () => {
    await using p = await inFrontOf(replay('ollama-0.17.4/embed-array', { after: 'break' }));
    assert.deepEqual(await refusal(await embed(p.gateway, { input: ['a', 'b'] })), [502, 'upstream_incomplete', null]);
  });

  test('two thousand long vectors are not too many', async () => {
    const vector = Array.from({ length: 1024 }, (_, index) => Math.fround(Math.sin(index)));
    const input = Array.from({ length: 2048 }, () => 'a');
    await using p = await inFrontOf(json({ embeddings: input.map(() => vector), prompt_eval_count: 2048 }));
    const client = new OpenAI({ baseURL: `${p.gateway.url}/v1`, apiKey: secret });
    const { data, usage } = await client.embeddings.create({ model: 'scripted-embed', input });
    assert.deepEqual([data.length, data[2047]?.embedding, usage.total_tokens], [2048, vector, 2048]);
  });
});

suite('embeddings are served as chats are', () => {
  const answer = replay('ollama-0.17.4/embed-embed-single');

  test('counted and logged', async () => {
    await using p = await inFrontOf(answer);
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

  test('as the operator wants it: another name, its own options, a default model', async () => {
    const settings = {
      aliases: { 'text-embedding-3-small': 'scripted-embed' },
      default_model: 'text-embedding-3-small',
      models: [{ match: 'scripted-*', pin: { num_ctx: 256 }, keep_alive: '1h' }],
    };
    await using p = await inFrontOf(answer, settings);
    const named = async (body: object): Promise<string> =>
      ((await (await embed(p.gateway, body)).json()) as CreateEmbeddingResponse).model;
    const asked = { model: 'text-embedding-3-small', options: { num_ctx: 64, num_batch: 8 }, keep_alive: 0 };
    assert.equal(await named(asked), 'text-embedding-3-small');
    assert.deepEqual(p.upstream.requests.map(sent), [
      {
        model: 'scripted-embed',
        input: ['hello'],
        truncate: false,
        options: { num_ctx: 256, num_batch: 8 },
        keep_alive: '1h',
      },
    ]);
    assert.equal(await named({ model: undefined }), 'scripted-embed');
  });

  test('with the names of fields that change nothing, which a strict server refuses', async () => {
    await using p = await inFrontOf(answer);
    const response = await embed(p.gateway, { user: 'me' });
    assert.deepEqual([response.status, response.headers.get('x-llamaduct-dropped')], [200, 'user']);
    assert.equal(await p.gateway.metric('llamaduct_translation_lossy_total{field="user"}'), 1);
    await using strict = await inFrontOf(answer, { strict: true });
    assert.deepEqual(await refusal(await embed(strict.gateway, { user: 'me' })), [400, null, 'user']);
  });

  test("under the client's own request id", async () => {
    await using p = await inFrontOf(answer);
    const headers = { 'x-request-id': 'mine-1' };
    assert.equal((await embed(p.gateway, {}, { headers })).headers.get('x-request-id'), 'mine-1');
  });

  test('to keys that may use the model', async () => {
    const keys = [
      { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'metrics'] },
      { name: 'limited', hash: hashSecret('ld-limited'), models: ['scripted-e*'] },
      { name: 'scraper', hash: hashSecret('ld-scraper'), scopes: ['metrics'] },
    ];
    await using p = await inFrontOf(answer, { keys });
    const as = async (key: string, model: string): Promise<number> =>
      (await embed(p.gateway, { model }, { headers: { authorization: `Bearer ${key}` } })).status;
    assert.equal(await as('ld-limited', 'scripted-embed'), 200);
    assert.equal(await as('ld-limited', 'scripted-plain'), 403);
    assert.equal(await as('ld-scraper', 'scripted-embed'), 403);
    assert.equal(await as('ld-nobody', 'scripted-embed'), 401);
    assert.equal(p.upstream.requests.length, 1);
  });

  test('by POST only', async () => {
    await using p = await inFrontOf(answer);
    const response = await p.gateway.fetch('/v1/embeddings');
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST']);
  });

  test('until the client leaves', async () => {
    await using p = await inFrontOf(() => undefined);
    const leaving = new AbortController();
    const response = embed(p.gateway, {}, { signal: leaving.signal });
    await p.reached();
    leaving.abort();
    await assert.rejects(response, { name: 'AbortError' });
    assert.equal(await p.phaseLeft(), 'waiting');
  });

  test('until the client leaves in the middle of the answer', async () => {
    let begun = false;
    await using p = await inFrontOf((res) => {
      res.write('{"embeddings":[[0.5,', () => {
        begun = true;
      });
    });
    const leaving = new AbortController();
    const response = embed(p.gateway, {}, { signal: leaving.signal });
    await p.reached();
    await until('the answer to begin', () => begun);
    leaving.abort();
    await assert.rejects(response, { name: 'AbortError' });
    assert.equal(await p.phaseLeft(), 'waiting');
  });
});
