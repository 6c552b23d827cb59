import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashSecret } from '../../../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from '../../helpers/gateway.ts';
import { json } from '../../helpers/answers.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../../helpers/ollama-answers.ts';
import { saying } from '../../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../../helpers/upstream.ts';

const hello = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] };
const model = '/v1beta/models/scripted-plain';

async function post(gateway: TestGateway, path: string, body: object = hello, headers = {}): Promise<Response> {
  return await gateway.fetch(path, { method: 'POST', body: JSON.stringify(body), headers });
}

interface Chunk {
  readonly candidates: readonly [{ readonly content: { readonly parts: object[] }; readonly finishReason?: string }];
  readonly usageMetadata?: object;
}

const partsOf = (chunks: readonly Chunk[]): object[] => chunks.flatMap(({ candidates }) => candidates[0].content.parts);

function eventsIn(text: string): Chunk[] {
  const data = text.split('\n\n').filter((event) => event.startsWith('data: '));
  return data.map((event) => JSON.parse(event.slice('data: '.length)) as Chunk);
}

const thinking: Answer = (res) => {
  ndjson(res);
  res.write(chatLine('', { message: { role: 'assistant', content: '', thinking: 'hm' } }));
  res.write(chatLine('Hi'));
  const call = { function: { name: 'f', arguments: { n: 1 } } };
  res.write(chatLine('', { message: { role: 'assistant', content: '', tool_calls: [call] } }));
  res.end(doneLine());
};

for (const portable of [false, true]) {
  suite(`generateContent, ${portable ? 'as web streams' : 'on Node'}`, () => {
    for (const kind of ['ollama', 'openai'] as const) {
      const start = async (): ReturnType<typeof fakeUpstream> =>
        kind === 'ollama'
          ? await fakeUpstream(plainAnswer())
          : await openaiUpstream(saying('Hello', ' there', '!'), ['scripted-plain']);

      test(`answers whole in front of ${kind}`, async () => {
        await using upstream = await start();
        await using gateway = await testGateway(upstream, { portable, upstream: { kind } });
        const answer = await post(gateway, `${model}:generateContent`);
        assert.equal(answer.status, 200);
        const body = (await answer.json()) as Chunk & { modelVersion: string; responseId: string };
        assert.deepEqual(body.candidates, [
          { content: { parts: [{ text: 'Hello there!' }], role: 'model' }, finishReason: 'STOP', index: 0 },
        ]);
        assert.equal(body.modelVersion, 'scripted-plain');
        assert.match(body.responseId, /^resp_/);
        assert.deepEqual(Object.keys(body.usageMetadata ?? {}).slice(0, 3), [
          'promptTokenCount',
          'candidatesTokenCount',
          'totalTokenCount',
        ]);
      });

      test(`streams events with alt=sse, and one array without, in front of ${kind}`, async () => {
        await using upstream = await start();
        await using gateway = await testGateway(upstream, { portable, upstream: { kind } });
        const events = await post(gateway, `${model}:streamGenerateContent?alt=sse`);
        assert.match(events.headers.get('content-type') ?? '', /^text\/event-stream/);
        const text = await events.text();
        assert.equal(text.includes('[DONE]'), false);
        const array = await post(gateway, `/v1/models/scripted-plain:streamGenerateContent`);
        assert.match(array.headers.get('content-type') ?? '', /^application\/json/);
        for (const chunks of [eventsIn(text), (await array.json()) as Chunk[]]) {
          assert.deepEqual(
            partsOf(chunks).map((part) => ('text' in part ? part.text : part)),
            ['Hello', ' there', '!', ''],
          );
          const last = chunks.at(-1);
          assert.equal(last?.candidates[0].finishReason, 'STOP');
          assert.ok(last.usageMetadata !== undefined);
        }
      });
    }
  });
}

suite('an answer of generateContent', () => {
  for (const includeThoughts of [true, false]) {
    test(`has calls, and thoughts only if they are asked for: ${includeThoughts}`, async () => {
      await using upstream = await fakeUpstream(thinking);
      await using gateway = await testGateway(upstream);
      const body = { ...hello, generationConfig: { thinkingConfig: { includeThoughts } } };
      const whole = (await (await post(gateway, `${model}:generateContent`, body)).json()) as Chunk;
      const text = await (await post(gateway, `${model}:streamGenerateContent?alt=sse`, body)).text();
      for (const [parts, end] of [
        [partsOf([whole]), []],
        [partsOf(eventsIn(text)), [{ text: '' }]],
      ] as const) {
        const thought = includeThoughts ? [{ text: 'hm', thought: true }] : [];
        const call = parts.find((part) => 'functionCall' in part) as { functionCall: { id: string } } | undefined;
        assert.match(call?.functionCall.id ?? '', /./);
        const expected = { functionCall: { id: call?.functionCall.id, name: 'f', args: { n: 1 } } };
        assert.deepEqual(parts, [...thought, { text: 'Hi' }, expected, ...end]);
      }
    });
  }

  test('that reached its length ends with MAX_TOKENS', async () => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).end(doneLine({ done_reason: 'length' })));
    await using gateway = await testGateway(upstream);
    const whole = (await (await post(gateway, `${model}:generateContent`)).json()) as Chunk;
    assert.equal(whole.candidates[0].finishReason, 'MAX_TOKENS');
    assert.deepEqual(partsOf([whole]), [{ text: '' }]);
  });

  test('that breaks off is an error at the end of the stream', async () => {
    const broken: Answer = (res) => void ndjson(res).end(chatLine('Hello'));
    await using upstream = await fakeUpstream(broken);
    await using gateway = await testGateway(upstream);
    const array = await (await post(gateway, `${model}:streamGenerateContent`)).text();
    assert.partialDeepStrictEqual(JSON.parse(array), [{}, { error: { code: 502, status: 'UNAVAILABLE' } }]);
  });
});

suite('errors of generateContent', () => {
  test("are Google's, with the field at fault", async () => {
    await using upstream = await fakeUpstream(json(404, { error: "model 'absent' not found" }));
    await using gateway = await testGateway(upstream);
    const errorOf = async (path: string, body: object, headers = {}): Promise<Record<string, unknown>> => {
      const response = await post(gateway, path, body, headers);
      const { error } = (await response.json()) as { error: Record<string, unknown> };
      assert.equal(error['code'], response.status);
      return error;
    };
    const invalid = await errorOf(`${model}:generateContent`, { contents: [] });
    assert.partialDeepStrictEqual(invalid, { code: 400, status: 'INVALID_ARGUMENT' });
    assert.match(JSON.stringify(invalid), /"fieldViolations":\[\{"field":"contents"\}\]/);
    const status = async (...given: Parameters<typeof errorOf>): Promise<unknown> =>
      (await errorOf(...given))['status'];
    assert.equal(await status('/v1beta/models/absent:generateContent', hello), 'NOT_FOUND');
    assert.equal(await status('/v1beta/nothing', hello), 'NOT_FOUND');
    const nobody = { authorization: 'Bearer wrong' };
    assert.equal(await status(`${model}:generateContent`, hello, nobody), 'UNAUTHENTICATED');
    assert.equal(await status(`${model}:streamGenerateContent?alt=sse`, hello, nobody), 'UNAUTHENTICATED');
  });
});

suite('the key of generateContent', () => {
  test('is in x-goog-api-key or in ?key=, and in no log line, metric or upstream request', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const send = async (query: string, headers: Record<string, string>): Promise<number> => {
      const init = { method: 'POST', body: JSON.stringify(hello), headers };
      const response = await fetch(`${gateway.url}${model}:generateContent${query}`, init);
      await response.arrayBuffer();
      return response.status;
    };
    assert.equal(await send('', { 'x-goog-api-key': secret }), 200);
    assert.equal(await send(`?key=${secret}`, {}), 200);
    assert.equal(await send('?key=wrong', {}), 401);
    assert.equal(await send('', {}), 401);
    assert.equal((await fetch(`${gateway.url}/v1beta/models?key=${secret}`)).status, 200);
    // In no other path: it would be in the logs of whatever is in between.
    assert.equal((await fetch(`${gateway.url}/v1/models?key=${secret}`)).status, 401);
    const metrics = await (await gateway.fetch('/metrics')).text();
    assert.equal(JSON.stringify([gateway.log, metrics, upstream.requests, upstream.lists]).includes(secret), false);
    assert.ok(gateway.log.some(({ route }) => route === '/v1beta/generateContent'));
  });

  test('reaches only its models, whatever the path, the body and the encoding say', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['scripted-plain', 'other']);
    const keys = [{ name: 'a', hash: hashSecret(secret), models: ['scripted-plain'] }];
    await using gateway = await testGateway(upstream, { keys });
    for (const method of ['generateContent', 'streamGenerateContent', 'streamGenerateContent?alt=sse', 'countTokens']) {
      for (const name of ['other', 'other:latest', 'oth%65r']) {
        for (const more of [
          {},
          { model: 'scripted-plain' },
          { generateContentRequest: { ...hello, model: 'scripted-plain' } },
        ]) {
          const response = await post(gateway, `/v1beta/models/${name}:${method}`, { ...hello, ...more });
          assert.equal(response.status, 403, `${name}:${method}`);
          assert.partialDeepStrictEqual(await response.json(), { error: { status: 'PERMISSION_DENIED' } });
        }
      }
      const allowed = await post(gateway, `${model}:${method}`, { ...hello, model: 'other' });
      assert.equal(allowed.status, 200);
      await allowed.arrayBuffer();
    }
    assert.ok(upstream.requests.every(({ body }) => !body.includes('other')));
    const list = (await (await gateway.fetch('/v1beta/models')).json()) as { models: { name: string }[] };
    assert.deepEqual(
      list.models.map(({ name }) => name),
      ['models/scripted-plain'],
    );
    assert.equal((await gateway.fetch('/v1beta/models/other')).status, 403);
  });
});

test('models with slashes and tags have their names in the path', async () => {
  const name = 'hf.co/someone/model:Q4';
  await using upstream = await fakeUpstream(plainAnswer(), [name]);
  await using gateway = await testGateway(upstream);
  assert.equal((await post(gateway, `/v1beta/models/${name}:generateContent`)).status, 200);
  assert.equal((await post(gateway, `/v1beta/models/${encodeURIComponent(name)}:generateContent`)).status, 200);
  const shown = (await (await gateway.fetch(`/v1beta/models/${name}`)).json()) as { name: string };
  assert.equal(shown.name, `models/${name}`);
});

test('dropped fields are named in a header', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  const body = { ...hello, safetySettings: [{ category: 'x' }], tools: [{ codeExecution: {} }] };
  const { headers } = await post(gateway, `${model}:generateContent`, body);
  assert.equal(headers.get('x-llamaduct-dropped'), 'safetySettings, tools.codeExecution');
});

/** Reads a stream as the SDK in Gemini CLI 0.61 does, whose expression has no place for a comment. */
function eventsOfGeminiCli(text: string): Chunk[] {
  const chunks: Chunk[] = [];
  let rest = text;
  for (;;) {
    const [whole, json] = /^\s*data: (.*)(?:\n\n|\r\r|\r\n\r\n)/.exec(rest) ?? [];
    if (whole === undefined || json === undefined) break;
    chunks.push(JSON.parse(json) as Chunk);
    rest = rest.slice(whole.length);
  }
  assert.equal(rest.trim(), '', 'Incomplete JSON segment at the end');
  return chunks;
}

/** @returns the HTTP chunks of a streamed response, whose connection is broken after them */
async function httpChunks({ url }: TestGateway, path: string): Promise<string[]> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const body = JSON.stringify(hello);
  const head = [`POST ${path} HTTP/1.1`, 'host: x', `x-goog-api-key: ${secret}`, `content-length: ${body.length}`];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  for await (const bytes of socket) text += String(bytes);
  const chunks: string[] = [];
  let at = text.indexOf('\r\n\r\n') + 4;
  while (at < text.length) {
    const start = text.indexOf('\r\n', at) + 2;
    const end = start + Number.parseInt(text.slice(at, start), 16);
    chunks.push(text.slice(start, end));
    at = end + 2;
  }
  assert.notEqual(chunks.at(-1), '', 'the connection is broken, so that no answer looks complete');
  return chunks;
}

const slowly =
  (...texts: readonly string[]): Answer =>
  async (res) => {
    await sleep(80);
    ndjson(res);
    for (const text of texts) {
      res.write(text);
      await sleep(80);
    }
    res.end();
  };

for (const portable of [false, true]) {
  suite(`a stream for Gemini CLI, ${portable ? 'as web streams' : 'on Node'}`, () => {
    const settings = { portable, timeouts: { silence: '20ms' } } as const;

    test('has no comments, which stopped it with "Incomplete JSON segment", but events with remarks', async () => {
      await using upstream = await fakeUpstream(slowly(chatLine('Hello'), chatLine(' there'), doneLine()));
      await using gateway = await testGateway(upstream, settings);
      const body = { ...hello, safetySettings: [{ category: 'x' }] };
      const response = await post(gateway, `${model}:streamGenerateContent?alt=sse`, body);
      assert.equal(response.headers.get('x-llamaduct-dropped'), 'safetySettings');
      const chunks = eventsOfGeminiCli(await response.text()) as (Chunk & { readonly comment?: string })[];
      assert.equal(chunks[0]?.comment, 'waiting for the model');
      assert.match(chunks.at(-1)?.comment ?? '', /^server-timing: /);
      const texts = partsOf(chunks).map((part) => ('text' in part ? part.text : part));
      assert.equal(texts.join(''), 'Hello there');
      assert.ok(texts.filter((text) => text === '').length > 2, 'there were heartbeats');
    });

    test('has its late headers in an event', async () => {
      await using upstream = await openaiUpstream(async (res) => {
        await sleep(80);
        return await saying('Hello')(res, { method: 'POST', url: '/', headers: {}, body: '' });
      });
      await using gateway = await testGateway(upstream, { ...settings, upstream: { kind: 'openai' } });
      const response = await post(gateway, `${model}:streamGenerateContent?alt=sse`, {
        ...hello,
        options: { num_ctx: 1 },
      });
      const text = await response.text();
      assert.match(text, /"comment":"x-llamaduct-dropped: [^"]*options\.num_ctx/);
      eventsOfGeminiCli(text);
    });

    for (const [when, answer] of [
      ['after a text', slowly(chatLine('Hello'))],
      ['after heartbeats alone', slowly()],
    ] as const) {
      test(`that breaks off ${when} repeats the error as a chunk of its own, which is all that the CLI reads`, async () => {
        await using upstream = await fakeUpstream(answer);
        await using gateway = await testGateway(upstream, settings);
        const pieces = await httpChunks(gateway, `${model}:streamGenerateContent?alt=sse`);
        assert.partialDeepStrictEqual(JSON.parse(pieces.at(-1) ?? ''), { error: { code: 502, status: 'UNAVAILABLE' } });
        assert.match(pieces.at(-2) ?? '', /data: \{"error":\{"code":502,/);
      });
    }

    test('without alt=sse stays one array, with heartbeats as responses', async () => {
      await using upstream = await fakeUpstream(slowly(chatLine('Hello'), doneLine()));
      await using gateway = await testGateway(upstream, settings);
      const chunks = (await (await post(gateway, `${model}:streamGenerateContent`)).json()) as Chunk[];
      const texts = partsOf(chunks).map((part) => ('text' in part ? part.text : part));
      assert.equal(texts.join(''), 'Hello');
      assert.ok(texts.length > 3, 'there were heartbeats');
    });
  });
}

test('candidateCount asks for as many candidates, streamed or not', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  const body = { ...hello, generationConfig: { candidateCount: 2, seed: 5 } };
  const whole = (await (await post(gateway, `${model}:generateContent`, body)).json()) as { candidates: object[] };
  assert.partialDeepStrictEqual(whole.candidates, [
    { index: 0 },
    { index: 1, content: { parts: [{ text: 'Hello there!' }] } },
  ]);
  const seeds = upstream.requests.map(
    (request) => (JSON.parse(request.body) as { options: { seed: number } }).options.seed,
  );
  assert.deepEqual(
    seeds.toSorted((a, b) => a - b),
    [5, 6],
  );
  const streamed = await (await post(gateway, `${model}:streamGenerateContent?alt=sse`, body)).text();
  const candidates = eventsOfGeminiCli(streamed).flatMap((chunk) => chunk.candidates as readonly object[]);
  for (const index of [0, 1]) {
    const own = candidates.filter((candidate) => 'index' in candidate && candidate.index === index);
    assert.match(JSON.stringify(own), /Hello.* there.*!.*"finishReason":"STOP"/);
  }
});

suite('embedContent', () => {
  const vectors = json(200, { embeddings: [[0.5], [0.25]], prompt_eval_count: 2 });

  test('returns the vector of one content, and batchEmbedContents those of several', async () => {
    await using upstream = await fakeUpstream(json(200, { embeddings: [[0.5]], prompt_eval_count: 1 }));
    await using gateway = await testGateway(upstream);
    const one = {
      content: { parts: [{ text: 'a' }, { text: 'b' }] },
      output_dimensionality: 1,
      taskType: 'CLUSTERING',
    };
    const answer = await post(gateway, `${model}:embedContent`, one);
    assert.deepEqual(await answer.json(), { embedding: { values: [0.5] } });
    assert.equal(answer.headers.get('x-llamaduct-dropped'), 'taskType');
    upstream.answer = vectors;
    const requests = ['c', 'd'].map((text) => ({ model: 'models/scripted-plain', content: { parts: [{ text }] } }));
    const several = await post(gateway, `${model}:batchEmbedContents`, { requests });
    assert.deepEqual(await several.json(), { embeddings: [{ values: [0.5] }, { values: [0.25] }] });
    const inputs = upstream.requests.map((request) => (JSON.parse(request.body) as { input: unknown }).input);
    assert.deepEqual(inputs, [['a\nb'], ['c', 'd']]);
  });

  for (const [method, body, field] of [
    ['embedContent', { content: { parts: [] } }, 'content'],
    [
      'embedContent',
      { content: { parts: [{ inlineData: { data: 'aa', mimeType: 'image/png' } }] } },
      'content.parts[0]',
    ],
    ['batchEmbedContents', {}, 'requests'],
    ['batchEmbedContents', { requests: [{ content: 'a' }, { content: 7 }] }, 'requests[1].content.parts[0]'],
    ['batchEmbedContents', { requests: [{ content: 'a', model: 'models/other' }] }, 'requests[0].model'],
    [
      'batchEmbedContents',
      { requests: [{ content: 'a' }, { content: 'a', outputDimensionality: 2 }] },
      'requests[1].outputDimensionality',
    ],
  ] as const) {
    test(`refuses ${method} of ${JSON.stringify(body)}`, async () => {
      await using upstream = await fakeUpstream(vectors);
      await using gateway = await testGateway(upstream);
      const response = await post(gateway, `${model}:${method}`, body);
      assert.equal(response.status, 400);
      assert.ok((await response.text()).includes(`"fieldViolations":[{"field":"${field}"}]`));
      assert.deepEqual(upstream.requests, []);
    });
  }
});

test("the list at /v1/models is Google's for Google's header of the key", async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  const google = await fetch(`${gateway.url}/v1/models`, { headers: { 'x-goog-api-key': secret } });
  assert.match(await google.text(), /^\{"models":\[\{"name":"models\/scripted-plain/);
  assert.match(await (await gateway.fetch('/v1/models')).text(), /"object":"list"/);
});
