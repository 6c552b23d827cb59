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
    ['ollama-0.17.4/killed-runner-chat', 'upstream_error', 502, undefined, /unexpected EOF/],
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
    [404, '', 'model_not_found', 'model'],
    [429, '', 'upstream_busy'],
    [503, 'server busy', 'upstream_busy'],
    [500, '{"error":{"message":"failed to load model"}}', 'model_load_failed'],
    [302, '', 'upstream_error'],
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
    assert.equal(streamError('unexpected EOF').retryable, true);
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
});
