import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ErrorCode } from '../../src/errors.ts';
import { statusError, streamError } from '../../src/upstreams/ollama/error.ts';
import { recording } from '../helpers/recordings.ts';

suite("Ollama's errors", () => {
  const recorded: [string, ErrorCode, number, string | undefined, RegExp][] = [
    ['ollama-0.17.4/chat-unknown-model', 'model_not_found', 404, 'model', /^model 'no-such-model' not found$/],
    ['ollama-0.17.4/busy-503', 'upstream_busy', 503, undefined, /^server busy/],
    ['ollama-0.17.4/chat-options-bad-type', 'invalid_value', 400, 'options.temperature', /must be of type float32/],
    ['ollama-0.17.4/chat-format-invalid-schema', 'invalid_value', 400, 'response_format', /invalid JSON schema/],
    ['ollama-0.33/chat-format-invalid-schema', 'invalid_value', 400, undefined, /JSON schema conversion failed/],
    ['ollama-0.17.4/chat-think-unsupported', 'invalid_value', 400, undefined, /does not support thinking/],
    ['ollama-0.17.4/chat-tools-unsupported', 'invalid_value', 400, undefined, /does not support tools/],
    ['ollama-0.17.4/chat-broken-model', 'model_load_failed', 502, undefined, /error loading model/],
    ['ollama-0.33/chat-broken-model', 'model_load_failed', 502, undefined, /error loading model/],
    ['ollama-0.17.4/chat-out-of-memory', 'model_load_failed', 502, undefined, /more system memory/],
    ['ollama-0.33/chat-out-of-memory', 'model_load_failed', 502, undefined, /insufficient memory/],
    ['ollama-0.17.4/killed-runner-chat', 'upstream_crashed', 502, undefined, /unexpected EOF/],
  ];
  for (const [name, code, status, param, message] of recorded) {
    test(`${name} becomes ${code}`, () => {
      const { status: sent, body } = recording(name);
      const error = statusError(sent, body.toString('utf8'));
      assert.deepEqual({ code: error.code, status: error.status, param: error.param }, { code, status, param });
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
    });
  }

  const texts: [status: number, text: string, code: ErrorCode, param?: string][] = [
    [400, 'time: invalid duration "x"', 'invalid_value', 'keep_alive'],
    [400, 'option "num_ctx" must be of type integer', 'invalid_value', 'options.num_ctx'],
    [400, 'invalid format: expected "json"', 'invalid_value', 'response_format'],
    [400, 'the input length exceeds the context length', 'context_length_exceeded'],
    [500, 'request exceeds the available context size', 'context_length_exceeded'],
    [400, '', 'invalid_value'],
    [401, 'unauthorized', 'upstream_error'],
    [404, '', 'upstream_misconfigured'],
    [429, '', 'upstream_busy'],
    [503, 'server busy', 'upstream_busy'],
    [500, '{"error":{"message":"failed to load model"}}', 'model_load_failed'],
    [302, '', 'upstream_error'],
    [500, 'an error was encountered while running the model: unexpected EOF', 'upstream_crashed'],
    [500, 'model runner has unexpectedly stopped, this may be due to resource limitations', 'upstream_crashed'],
    [500, 'do embedding request: Post "http://127.0.0.1:4000/embedding": EOF', 'upstream_crashed'],
    [500, 'llama runner process has terminated: CUDA error', 'upstream_error'],
    [500, 'failed to encode response: json: unsupported value: NaN', 'upstream_request_failed'],
    [500, "error parsing tool call: raw='{', err=unexpected end of JSON input", 'upstream_request_failed'],
    [500, 'Failed to parse tool call arguments as JSON: [json.exception.parse_error.101]', 'upstream_request_failed'],
    [500, 'XML syntax error on line 4: element <parameter> closed by </function>', 'upstream_request_failed'],
    [500, 'template: :31:9: executing "" at <index .ToolCalls 0>: error calling index', 'upstream_request_failed'],
    [500, 'Failed to parse input at pos 12: <tool', 'upstream_request_failed'],
    [500, 'XML syntax error on line 1: unexpected EOF', 'upstream_request_failed'],
    [500, '[json.exception.type_error.302] type must be string, but is null', 'upstream_request_failed'],
    [500, 'Value is not callable: null at row 1, column 2', 'upstream_request_failed'],
    [500, 'Cannot call something that is not a function: got UndefinedValue', 'upstream_request_failed'],
    [500, 'Conversation roles must alternate user/assistant', 'upstream_request_failed'],
    [500, 'Error: Unknown filter: heron', 'upstream_request_failed'],
    [500, 'Out of range float values are not JSON compliant: nan', 'upstream_request_failed'],
    [500, 'failed to process inputs: failed to decode image', 'upstream_request_failed'],
    [500, 'Failed to load image or audio file', 'upstream_request_failed'],
    [500, 'image: unknown format', 'upstream_request_failed'],
    [500, 'number of bitmaps (1) does not match number of markers (0)', 'upstream_request_failed'],
    [500, 'failed to create sampler: failed to load model vocabulary required for format', 'invalid_value'],
    [500, 'Grammar error: Unimplemented keys: ["pattern"]', 'invalid_value'],
    [500, 'llama-server process has terminated: signal: aborted (core dumped)', 'upstream_crashed'],
    [500, 'llama runner process has terminated: error loading model: invalid image projector', 'model_load_failed'],
    [403, 'unauthorized: run `ollama signin` to continue', 'account_required'],
    [500, 'Failed to initialize samplers: failed to parse grammar', 'invalid_value'],
    [
      500,
      'llama-server process has terminated: exit status 1: \nerror: unknown model architecture',
      'model_load_failed',
    ],
  ];
  for (const [status, text, code, param] of texts) {
    test(`${status} with ${JSON.stringify(text)} becomes ${code}`, () => {
      const error = statusError(status, JSON.stringify({ error: text }));
      assert.deepEqual([error.code, error.param], [code, param]);
      assert.notEqual(error.message, '');
    });
  }

  test('temporary errors have a Retry-After, permanent ones are not retryable', () => {
    assert.ok((statusError(503, '{"error":"server busy"}').retryAfter ?? 0) >= 1);
    assert.equal(streamError('error loading model: missing tensor').retryable, false);
    assert.equal(streamError('CUDA error').retryable, true);
    assert.equal(streamError('unexpected EOF').retryable, false);
  });

  test('addresses and file paths are removed from messages', () => {
    const text =
      'Post "http://127.0.0.1:43211/completion": dial tcp 10.0.0.7:43211: open /var/lib/ollama/models/blobs/sha256-1: [::1]:4000 gpu.lab:11434';
    const { message } = streamError(text);
    assert.doesNotMatch(message, /127\.0\.0\.1|10\.0\.0\.7|43211|\/var\/lib|::1|gpu\.lab/);
    assert.match(message, /^Post "\[address\]": dial tcp/);
  });

  test('nothing of a page that is not from Ollama is shown', () => {
    const error = statusError(502, '<html>nginx at 10.0.0.1</html>');
    assert.deepEqual([error.code, error.message], ['upstream_error', 'The upstream failed.']);
    assert.equal(statusError(403, '').code, 'upstream_error');
  });

  test('a 404 that is not JSON advises the operator to check the address', () => {
    const error = statusError(404, '404 page not found');
    assert.deepEqual([error.code, error.status, error.retryable], ['upstream_misconfigured', 502, false]);
    assert.match(error.advice ?? '', /404.*check its url/);
  });

  test('a 403 about the account keeps its link', () => {
    const text =
      'kite-480b needs a subscription, see https://ollama.com/upgrade. (ref: 5e1f) from http://10.0.0.7:11434/x';
    const error = statusError(403, JSON.stringify({ error: text }));
    assert.deepEqual([error.code, error.status, error.retryable], ['account_required', 403, false]);
    assert.match(error.message, /see https:\/\/ollama\.com\/upgrade\. \(ref: 5e1f\) from \[address\]$/);
  });

  test('an error in a stream about the account keeps its link', () => {
    const error = streamError('this model requires a subscription: https://ollama.com/upgrade (ref: 5e1f)');
    assert.deepEqual([error.code, error.retryable], ['account_required', false]);
    assert.match(error.message, /https:\/\/ollama\.com\/upgrade/);
  });

  test('a 401 says where to sign in, but only at a public address', () => {
    const signIn = (url: string): string =>
      statusError(401, JSON.stringify({ error: 'unauthorized', signin_url: url })).message;
    assert.match(signIn('https://ollama.com/connect?name=a&key=b'), /https:\/\/ollama\.com\/connect\?name=a&key=b$/);
    for (const url of ['http://ollama.com/x', 'https://10.0.0.7/x', 'https://gpu.lan/x', 'https://a.com:8443/x', 'x']) {
      assert.doesNotMatch(signIn(url), /10\.0|gpu|8443|http/);
    }
  });

  test('a used-up quota of the cloud is not retryable, unless the server says when', () => {
    const body = JSON.stringify({ error: 'you reached your hourly usage limit, see https://ollama.com/upgrade' });
    const error = statusError(429, body);
    assert.deepEqual([error.code, error.status, error.retryable], ['upstream_busy', 429, false]);
    assert.match(error.message, /https:\/\/ollama\.com\/upgrade$/);
    assert.equal(statusError(429, body, 17).retryAfter, 17);
  });

  test("the server's own Retry-After is kept", () => {
    for (const status of [429, 500, 503]) assert.equal(statusError(status, '{"error":"busy"}', 17).retryAfter, 17);
    assert.equal(statusError(503, '{"error":"busy"}', 999).retryAfter, 60);
  });

  test('the cause on a later line is kept, without paths, addresses and traces', () => {
    const log = [
      'llama-server process has terminated: exit status 1:',
      'goroutine 7 [running]:',
      'failed to open /srv/secret/heron.gguf at http://10.9.8.7:8080/x',
      '------',
      'error: unknown model architecture: heron9',
    ];
    const { message } = statusError(500, JSON.stringify({ error: log.join('\n') }));
    assert.equal(
      message,
      'llama-server process has terminated: exit status 1: failed to open [path] at [address] error: unknown model architecture: heron9',
    );
    const long = statusError(500, JSON.stringify({ error: `first\n${'filler word\n'.repeat(5_000)}error: the cause` }));
    assert.match(long.message, /^first … .*error: the cause$/);
    assert.ok(long.message.length <= 500);
  });
});
