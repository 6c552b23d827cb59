import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ErrorCode } from '../../src/errors.ts';
import { openai } from '../../src/upstreams/openai/index.ts';

const cloud = (message: string, rest: object = {}): object => ({
  error: { message, type: 'invalid_request_error', param: null, code: null, ...rest },
});

interface Case {
  readonly status: number;
  readonly body: object | string;
  readonly is: readonly [ErrorCode, status: number, param: string | undefined, message: RegExp];
}

const cases: Record<string, Case> = {
  'a field of the wrong type': {
    status: 400,
    body: cloud("Invalid type for 'seed'.", { param: 'seed' }),
    is: ['invalid_value', 400, 'seed', /^Invalid type for 'seed'\.$/],
  },
  'a crash that LM Studio reports as a 400': {
    status: 400,
    body: { error: 'The model has crashed without additional information. (Exit code: 18446744072635812000)' },
    is: ['upstream_crashed', 502, undefined, /^The model has crashed/],
  },
  'a model that LM Studio cannot load, as a 400': {
    status: 400,
    body: { error: { message: 'Failed to load model "gpt-oss-20b". Error: Error loading model.' } },
    is: ['model_load_failed', 502, undefined, /^Failed to load model/],
  },
  'a model that LM Studio has just unloaded, as a 400': {
    status: 400,
    body: { error: 'Model unloaded.' },
    is: ['model_load_failed', 502, undefined, /^Model unloaded/],
  },
  'an error string': {
    status: 400,
    body: { error: 'bad seed' },
    is: ['invalid_value', 400, undefined, /^bad seed$/],
  },
  'an error of an older vLLM': {
    status: 400,
    body: { object: 'error', message: 'bad seed', type: 'BadRequestError', param: null, code: 400 },
    is: ['invalid_value', 400, undefined, /^bad seed$/],
  },
  'an error of FastAPI with text': {
    status: 422,
    body: { detail: 'bad seed' },
    is: ['invalid_value', 400, undefined, /^bad seed$/],
  },
  'an error of FastAPI about one field': {
    status: 422,
    body: { detail: [{ loc: ['body', 'top_k'], msg: 'Extra inputs are not permitted' }] },
    is: ['invalid_value', 400, 'top_k', /^top_k: Extra inputs are not permitted$/],
  },
  'an error of FastAPI about two fields inside the message': {
    status: 422,
    body: {
      object: 'error',
      message: {
        detail: [
          { loc: ['body', 'a'], msg: 'x' },
          { loc: ['body', 'b', 0], msg: 'y' },
        ],
      },
    },
    is: ['invalid_value', 400, undefined, /^a: x; b\.0: y$/],
  },
  'a validation error of several lines': {
    status: 400,
    body: { error: { message: '1 validation error\ntop_k\n  Extra inputs are not permitted' } },
    is: ['invalid_value', 400, undefined, /^1 validation error top_k Extra inputs are not permitted$/],
  },
  'JSON in the message': {
    status: 400,
    body: cloud('{"error":{"code":400,"message":"no images"}}'),
    is: ['invalid_value', 400, undefined, /^no images$/],
  },
  'a 413 without a body': { status: 413, body: '', is: ['invalid_value', 400, undefined, /refused/] },
  'a 409 without a body': { status: 409, body: '', is: ['invalid_value', 409, undefined, /refused/] },
  'a 404 for an unknown model': {
    status: 404,
    body: cloud('The model `x` does not exist.', { code: 'model_not_found' }),
    is: ['model_not_found', 404, 'model', /does not exist/],
  },
  'a 400 for an unknown model': {
    status: 400,
    body: cloud('model not found'),
    is: ['model_not_found', 404, 'model', /not found/],
  },
  'a 404 for an unknown path': {
    status: 404,
    body: '404 page not found',
    is: ['upstream_misconfigured', 502, undefined, /no such endpoint/],
  },
  "OpenAI's error for a long prompt": {
    status: 400,
    body: cloud('Too long.', { code: 'context_length_exceeded', param: 'messages' }),
    is: ['context_length_exceeded', 400, undefined, /^Too long/],
  },
  "vLLM's error for a long prompt": {
    status: 400,
    body: cloud("This model's maximum context length is 10 tokens. However, you requested 12 tokens."),
    is: ['context_length_exceeded', 400, undefined, /10 tokens/],
  },
  "llama.cpp's error for a long prompt": {
    status: 400,
    body: {
      error: {
        code: 400,
        message: 'the request exceeds the available context size',
        type: 'exceed_context_size_error',
      },
    },
    is: ['context_length_exceeded', 400, undefined, /available context size/],
  },
  'a rejected API key of the gateway': {
    status: 401,
    body: cloud('Incorrect API key provided: sk-abc.'),
    is: ['upstream_error', 502, undefined, /^The upstream rejected the API key or the account of this gateway\.$/],
  },
  'an exceeded quota of the gateway': {
    status: 429,
    body: cloud('You exceeded your current quota, check your billing.', { code: 'insufficient_quota' }),
    is: ['upstream_error', 502, undefined, /^The upstream rejected the API key or the account of this gateway\.$/],
  },
  'a 429 for a rate limit': {
    status: 429,
    body: cloud('Limit of org-1'),
    is: ['upstream_busy', 429, undefined, /^The upstream is busy\.$/],
  },
  'a 503 while the model loads': {
    status: 503,
    body: cloud('Loading model'),
    is: ['upstream_busy', 503, undefined, /^Loading model$/],
  },
  'a 500 because the model cannot be loaded': {
    status: 500,
    body: cloud('failed to load /models/x.gguf\nat 10.0.0.1'),
    is: ['model_load_failed', 502, undefined, /^failed to load \[path\] at \[address\]$/],
  },
  'a 502 with the HTML page of a proxy': {
    status: 502,
    body: '<html>10.0.0.1</html>',
    is: ['upstream_error', 502, undefined, /^The upstream failed\.$/],
  },
};

suite("OpenAI servers' error responses", () => {
  for (const [name, { status, body, is }] of Object.entries(cases)) {
    test(`${name} becomes ${is[0]}`, () => {
      const error = openai.error(status, typeof body === 'string' ? body : JSON.stringify(body));
      assert.deepEqual([error.code, error.status, error.param], is.slice(0, 3));
      assert.match(error.message, is[3]);
    });
  }

  test('Retry-After is the one of the server, within 1 to 60 seconds', () => {
    const wait = (status: number, header?: number): number | undefined => openai.error(status, '', header).retryAfter;
    assert.deepEqual([wait(429), wait(429, 17.2), wait(429, 3600), wait(503, 0)], [5, 18, 60, 1]);
    assert.deepEqual([wait(500), wait(401), wait(400)], [2, undefined, undefined]);
  });

  test('an error nested 50 deep gets the default message', () => {
    let body: object = { message: 'deep' };
    for (let depth = 0; depth < 50; depth += 1) body = { error: body };
    assert.equal(openai.error(400, JSON.stringify(body)).message, 'The upstream refused the request.');
  });
});
