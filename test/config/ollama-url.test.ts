import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ollamaUrl, toLoopback } from '../../src/config/ollama-url.ts';

const forms: readonly [text: string, url: string][] = [
  ['', 'http://127.0.0.1:11434'],
  ['gpu', 'http://gpu:11434'],
  [' gpu ', 'http://gpu:11434'],
  ['gpu:8080', 'http://gpu:8080'],
  ['gpu:80', 'http://gpu'],
  [':8080', 'http://127.0.0.1:8080'],
  ['192.0.2.1', 'http://192.0.2.1:11434'],
  ['http://gpu', 'http://gpu'],
  ['https://gpu', 'https://gpu'],
  ['HTTPS://gpu:8443', 'https://gpu:8443'],
  ['http://gpu:11434/', 'http://gpu:11434'],
  ['https://gpu/ollama/', 'https://gpu/ollama'],
  ['gpu/ollama', 'http://gpu:11434/ollama'],
  ['0.0.0.0', 'http://127.0.0.1:11434'],
  ['http://0.0.0.0:9999', 'http://127.0.0.1:9999'],
  ['::1', 'http://[::1]:11434'],
  ['[::1]', 'http://[::1]:11434'],
  ['[::1]:8080', 'http://[::1]:8080'],
  ['[::]:8080', 'http://[::1]:8080'],
  ['http://me:secret@gpu:8080', 'http://me:secret@gpu:8080'],
];

for (const [text, url] of forms)
  test(`OLLAMA_HOST=${text} is ${url}`, () => assert.equal(ollamaUrl(text, 'OLLAMA_HOST'), url));

for (const text of ['gpu:port', 'ftp://gpu', 'a b', 'gpu:99999', 'http://gpu?x=1', 'http://me:secret@a b']) {
  test(`OLLAMA_HOST=${text} is rejected and not repeated in the message`, () => {
    assert.throws(() => ollamaUrl(text, 'OLLAMA_HOST'), {
      name: 'ConfigError',
      message: 'OLLAMA_HOST: expected HOST, HOST:PORT or a URL such as http://127.0.0.1:11434',
    });
  });
}

test('toLoopback changes wildcard hosts only', () => {
  assert.equal(toLoopback('http://0.0.0.0:1'), 'http://127.0.0.1:1');
  assert.equal(toLoopback('http://[::]:1'), 'http://[::1]:1');
  assert.equal(toLoopback('http://192.0.2.1:1'), 'http://192.0.2.1:1');
});
