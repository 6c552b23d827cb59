import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../../src/errors.ts';
import { embeddings } from '../../../src/protocols/openai/embeddings/index.ts';
import { readEmbeddings } from '../../../src/protocols/openai/embeddings/request.ts';
import { embedQuery } from '../../../src/upstreams/ollama/embed.ts';

/** @returns the body that Ollama gets for an embeddings request's body */
function native(body: object): unknown {
  const { request } = readEmbeddings({ model: 'm', input: 'hi', ...body });
  const input = request.input.filter((one) => typeof one === 'string');
  return JSON.parse(JSON.stringify(embedQuery({ ...request, input }).body)) as unknown;
}

const minimal = { model: 'm', input: ['hi'], truncate: false };

suite('a /v1/embeddings request', () => {
  const texts = Array.from({ length: 2048 }, (_, index) => `text ${index}`);
  const mapped: [string, object, object][] = [
    ['a string as input', {}, {}],
    ['strings as input', { input: ['a', 'b'] }, { input: ['a', 'b'] }],
    ['2048 inputs, the limit of OpenAI', { input: texts }, { input: texts }],
    ['white space as input', { input: ' \n' }, { input: [' \n'] }],
    ['dimensions', { dimensions: 4 }, { dimensions: 4 }],
    ["Ollama's truncate", { truncate: true }, { truncate: true }],
    ["Ollama's truncate set to false", { truncate: false }, {}],
    ["Ollama's options", { options: { num_ctx: 64 } }, { options: { num_ctx: 64 } }],
    ["Ollama's keep_alive", { keep_alive: '10m' }, { keep_alive: '10m' }],
    ["Ollama's keep_alive with a number", { keep_alive: -1 }, { keep_alive: -1 }],
    ['encoding_format, without sending it to Ollama', { encoding_format: 'base64' }, {}],
    ['null fields as absent', { dimensions: null, truncate: null, options: null, keep_alive: null, user: null }, {}],
  ];
  for (const [name, body, expected] of mapped) {
    test(`takes ${name}`, () => assert.deepEqual(native(body), { ...minimal, ...expected }));
  }

  const tokens: [string, unknown, unknown][] = [
    ['tokens', [1, 2, 3], [[1, 2, 3]]],
    [
      '2049 tokens',
      Array.from({ length: 2049 }, (_, token) => token),
      [Array.from({ length: 2049 }, (_, token) => token)],
    ],
    ['arrays of tokens', [[1, 2], [3]], [[1, 2], [3]]],
    ['an array of tokens among strings', ['a', [1]], ['a', [1]]],
  ];
  for (const [name, input, expected] of tokens) {
    test(`takes ${name} as input`, () =>
      assert.deepEqual(readEmbeddings({ model: 'm', input }).request.input, expected));
  }

  const refused: [string, unknown, string | undefined, RegExp][] = [
    ['a body that is not an object', [], undefined, /must be a JSON object/],
    ['a model that is a number', { model: 5 }, 'model', /must be a string/],
    ['no input', { input: undefined }, 'input', /input is required/],
    ['an input that is null', { input: null }, 'input', /input is required/],
    ['an input that is a number', { input: 5 }, 'input', /must be a string, or an array of strings or of tokens/],
    ['an input that is an object', { input: { text: 'hi' } }, 'input', /must be a string, or an array/],
    ['an empty string', { input: '' }, 'input', /must not be empty/],
    ['an empty array', { input: [] }, 'input', /must not be empty/],
    ['an empty string among others', { input: ['a', ''] }, 'input[1]', /must not be empty/],
    ['null among strings', { input: ['a', null] }, 'input[1]', /must be a string/],
    ['2049 inputs', { input: [...texts, 'x'] }, 'input', /at most 2048/],
    ['an empty array of tokens', { input: [[]] }, 'input[0]', /must not be empty/],
    ['a token among strings', { input: ['a', 5] }, 'input[1]', /must be a string, or an array of tokens/],
    ['a string among tokens', { input: [5, 'a'] }, 'input[1]', /must be a token/],
    ['a token that is not a whole number', { input: [[5, 1.5]] }, 'input[0][1]', /must be a token/],
    ['a negative token', { input: [-1] }, 'input[0]', /must be a token/],
    ['dimensions as a word', { dimensions: 'four' }, 'dimensions', /must be a number/],
    ['an unknown encoding_format', { encoding_format: 'hex' }, 'encoding_format', /one of float, base64/],
    ['a truncate that is a string', { truncate: 'yes' }, 'truncate', /true or false/],
    ['a keep_alive that is an object', { keep_alive: {} }, 'keep_alive', /seconds or a duration/],
  ];
  for (const [name, body, param, message] of refused) {
    test(`is refused for ${name}`, () => {
      const sent = Array.isArray(body) ? body : { model: 'm', input: 'hi', ...(body as object) };
      assert.throws(
        () => readEmbeddings(sent),
        (error) => {
          assert.ok(error instanceof GatewayError);
          assert.deepEqual([error.status, error.code, error.param], [400, 'invalid_value', param]);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  test("without a model has the model '', so that the operator's default applies", () => {
    for (const model of [undefined, null, '']) assert.equal(readEmbeddings({ model, input: 'hi' }).request.model, '');
  });

  test('reports fields that have no effect as dropped', () => {
    const { dropped } = readEmbeddings({ ...minimal, user: 'me', store: true, metadata: null, dimensions: 4 });
    assert.deepEqual(dropped, ['user', 'store', 'metadata']);
  });

  test('sends any texts unchanged (property)', () => {
    // The last one is half of an emoji.
    const character = fc.constantFrom('a', ' ', '\n', '"', '\\', '\0', 'é', '\u2028', '🎉', '\ud83c');
    const text = fc.string({ minLength: 1, unit: character });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (input) => {
        assert.deepEqual(native({ input }), { ...minimal, input });
      }),
    );
  });
});

const head = { id: 'req_1', created: 0, model: 'm', arrivedAt: 0, now: () => 0 };

suite('an answer to a /v1/embeddings request', () => {
  const vectors = [
    [0.5, -0.25],
    [1e-7, 3],
  ];
  const result = { vectors, usage: { inputTokens: 7, outputTokens: 0 }, timings: {} };
  const answer = (body: object): unknown =>
    embeddings.read({ model: 'm', input: ['a', 'b'], ...body }).respond(result, { ...head, model: 'my-model' });

  test('has vectors as JSON numbers by default', () => {
    const expected = {
      object: 'list',
      model: 'my-model',
      data: [
        { object: 'embedding', index: 0, embedding: [0.5, -0.25] },
        { object: 'embedding', index: 1, embedding: [1e-7, 3] },
      ],
      usage: { prompt_tokens: 7, total_tokens: 7 },
    };
    assert.deepEqual(answer({}), expected);
    assert.deepEqual(answer({ encoding_format: 'float' }), expected);
    assert.deepEqual(answer({ encoding_format: null }), expected);
  });

  test('has vectors as base64 of little-endian floats', () => {
    const { data } = answer({ encoding_format: 'base64' }) as { data: object[] };
    assert.deepEqual(data, [
      // 0.5 is 3f000000 and -0.25 is be800000; the least significant byte comes first.
      { object: 'embedding', index: 0, embedding: Buffer.from('0000003f000080be', 'hex').toString('base64') },
      { object: 'embedding', index: 1, embedding: Buffer.from('95bfd63300004040', 'hex').toString('base64') },
    ]);
  });

  test('keeps every 32-bit float exactly in base64 (property)', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(float, { minLength: 1 }), (vector) => {
        const call = embeddings.read({ model: 'm', input: 'a', encoding_format: 'base64' });
        const { data } = call.respond({ ...result, vectors: [vector] }, head) as { data: { embedding: string }[] };
        const bytes = Buffer.from(data[0]?.embedding ?? '', 'base64');
        assert.deepEqual(
          vector.map((_, index) => bytes.readFloatLE(index * 4)),
          vector,
        );
        assert.equal(bytes.length, vector.length * 4);
      }),
    );
  });
});
