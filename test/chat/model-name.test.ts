import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasTag, modelKey, readConfiguredName, readModelName } from '../../src/chat/model-name.ts';
import { ollamaModel } from '../helpers/faithful-ollama/ollama-name.ts';

const table: readonly [given: string, read: string][] = [
  ['tiny', 'tiny'],
  ['Tiny:8B', 'Tiny:8B'],
  ['tiny:latest', 'tiny:latest'],
  ['library/tiny', 'tiny'],
  ['Library/tiny:LATEST', 'tiny:LATEST'],
  ['registry.ollama.ai/library/tiny:8b', 'tiny:8b'],
  ['https://registry.ollama.ai/library/tiny', 'tiny'],
  ['HTTP://Registry.Ollama.AI/library/tiny', 'tiny'],
  ['  tiny\t\n', 'tiny'],
  ['\u0085tiny\u3000', 'tiny'],
  ['tiny:local', 'tiny'],
  ['tiny:8b: LOCAL ', 'tiny:8b'],
  ['ollama/tiny', 'tiny'],
  ['ollama_chat/tiny:8b', 'tiny:8b'],
  ['Ollama/ollama_chat/ library/tiny', 'tiny'],
  ['gpt-oss:20b-cloud', 'gpt-oss:20b-cloud'],
  ['gpt-oss:20b:cloud', 'gpt-oss:20b-cloud'],
  ['gpt-oss:CLOUD', 'gpt-oss:cloud'],
  ['gpt-oss:latest:cloud', 'gpt-oss:cloud'],
  ['someone/tiny', 'someone/tiny'],
  ['registry.ollama.ai/someone/tiny', 'someone/tiny'],
  ['registry.ollama.ai/ollama/tiny:8b', 'https://registry.ollama.ai/ollama/tiny:8b'],
  ['https://ollama/library/tiny', 'https://ollama/library/tiny'],
  ['hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M', 'hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M'],
  ['localhost:5000/library/tiny:8b', 'localhost:5000/library/tiny:8b'],
  // Names that Ollama does not accept, but other servers do.
  ['Qwen/Qwen3-8B', 'Qwen/Qwen3-8B'],
  ['accounts/fireworks/models/llama-v3p1-8b', 'accounts/fireworks/models/llama-v3p1-8b'],
  ['/models/tiny.gguf', '/models/tiny.gguf'],
  ['my model', 'my model'],
  ['tiny:local:local', 'tiny:local:local'],
  ['tiny :local', 'tiny :local'],
  ['x'.repeat(300), 'x'.repeat(300)],
  // No name.
  ['', ''],
  [' ', ''],
  ['ollama/', ''],
];

describe('readModelName', () => {
  for (const [given, expected] of table) {
    test(`reads ${JSON.stringify(given.slice(0, 60))} as ${JSON.stringify(expected.slice(0, 60))}`, () => {
      assert.equal(readModelName(given), expected);
      assert.equal(readModelName(expected), expected, 'read again');
    });
  }

  for (const [name, given] of [
    ['a scheme that Ollama would drop', 'plain://registry.ollama.ai/library/secret'],
    ['a scheme before a short name', 'https://secret'],
    ['two schemes', 'https://a://b/c'],
    ['a control character', 'ti\u0000ny'],
    ['a line end', 'tiny\nsecret'],
    ['an invisible character', 'ti\u200bny'],
    ['half a surrogate pair', 'tiny\ud800'],
    ['more than 512 bytes', 'x'.repeat(513)],
    ['more than 512 bytes in fewer characters', 'ü'.repeat(300)],
  ] as const) {
    test(`refuses ${name}`, () => {
      assert.throws(() => readModelName(given), { code: 'invalid_value', status: 400, param: 'model' });
      assert.equal(readConfiguredName(given), given, 'what the operator wrote stays');
    });
  }

  /** Pieces that mean something to Ollama or to this reader, in any order. */
  const pieces = fc.array(
    fc.constantFrom(
      ...'registry.ollama.ai Registry.Ollama.ai library Library ollama OLLAMA ollama_chat hf.co https http plain'.split(
        ' ',
      ),
      ...'/ / : : :// local Local cloud -cloud latest LATEST tiny Tiny secret 8b a.b _x - . 5000 ſ \u212a'.split(' '),
      ' ',
      '\t',
      '\u00a0',
      '\ufeff',
    ),
    { maxLength: 12 },
  );
  const names = pieces.map((parts) => parts.join(''));

  test('gives a name that Ollama finds the same model by, without the prefix of LiteLLM', () => {
    fc.assert(
      fc.property(names, (given) => {
        const read = readConfiguredName(given);
        // Refused.
        if (read === given && !isReadable(given)) return;
        assert.equal(ollamaModel(read), ollamaModel(withoutPrefix(given)), `${JSON.stringify(given)} as ${read}`);
      }),
      { numRuns: 50_000 },
    );
  });

  test('gives a name that does not change when it is read again', () => {
    fc.assert(
      fc.property(names, (given) => {
        if (!isReadable(given)) return;
        const read = readModelName(given);
        assert.equal(readModelName(read), read);
      }),
      { numRuns: 50_000 },
    );
  });

  test('gives names of one model the same key, and of two models two', () => {
    const readable = names.filter((name) => isReadable(name) && ollamaModel(withoutPrefix(name)) !== undefined);
    const spelled = fc
      .tuple(readable, fc.constantFrom(...spellings))
      .map(([name, spell]) => [name, spell(name)] as const);
    fc.assert(
      fc.property(spelled, readable, ([one, same], other) => {
        const [first, second, third] = [one, same, other].map((name) => ollamaModel(withoutPrefix(name)));
        if (isReadable(same) && first === second) assert.equal(keyOf(one), keyOf(same), `${one} and ${same}`);
        assert.equal(keyOf(one) === keyOf(other), first === third, `${one} and ${other}`);
      }),
      { numRuns: 20_000 },
    );
  });
});

/** Other ways to write a name. */
const spellings: readonly ((name: string) => string)[] = [
  (name) => name.toUpperCase(),
  (name) => ` ${name}\n`,
  (name) => `${name}:latest`,
  (name) => `${name}:local`,
  (name) => `library/${name}`,
  (name) => `registry.ollama.ai/${name}`,
  (name) => `https://registry.ollama.ai/library/${name}`,
];

function keyOf(name: string): string {
  return modelKey(readModelName(name));
}

function isReadable(name: string): boolean {
  try {
    readModelName(name);
    return true;
  } catch {
    return false;
  }
}

function withoutPrefix(name: string): string {
  const bare = name.replace(/^[\s\u0085]*ollama(_chat)?\//i, '');
  return bare === name ? name : withoutPrefix(bare);
}

test('hasTag knows a tag from the port of a host', () => {
  assert.deepEqual(['a', 'a:b', 'h:1/n/m', 'h:1/n/m:t'].map(hasTag), [false, true, false, true]);
});
