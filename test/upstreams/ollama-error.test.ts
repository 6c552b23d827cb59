import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ErrorCode } from '../../src/errors.ts';
import { statusError, streamError } from '../../src/upstreams/ollama/error.ts';
import { recording } from '../helpers/recordings.ts';

suite("what Ollama's errors mean", () => {
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
    test(name, () => {
      const { status: sent, body } = recording(name);
      const error = statusError(sent, body.toString('utf8'));
      assert.deepEqual({ code: error.code, status: error.status, param: error.param }, { code, status, param });
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
    });
  }

  test('what may help to wait for says how long, what lasts says not to try again', () => {
    assert.ok((statusError(503, '{"error":"server busy"}').retryAfter ?? 0) >= 1);
    assert.equal(streamError('error loading model: missing tensor').retryable, false);
    assert.equal(streamError('unexpected EOF').retryable, true);
  });

  test('addresses and paths of the machine stay out', () => {
    const text =
      'Post "http://127.0.0.1:43211/completion": dial tcp 10.0.0.7:43211: open /var/lib/ollama/models/blobs/sha256-1: [::1]:4000 gpu.lab:11434';
    const { message } = streamError(text);
    assert.doesNotMatch(message, /127\.0\.0\.1|10\.0\.0\.7|43211|\/var\/lib|::1|gpu\.lab/);
    assert.match(message, /^Post "\[address\]": dial tcp/);
  });

  test('a page that is not Ollama speaking shows nothing of itself', () => {
    const error = statusError(502, '<html>nginx at 10.0.0.1</html>');
    assert.deepEqual([error.code, error.message], ['upstream_error', 'The upstream failed.']);
    assert.equal(statusError(403, '').code, 'upstream_error');
  });
});
