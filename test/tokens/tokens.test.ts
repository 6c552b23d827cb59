import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { encode as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { encode as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import { textTokens } from '../../src/chat/countable.ts';
import { conversationErrors } from './measure.ts';
import { languages } from './texts.ts';

suite('estimated token counts', () => {
  for (const [name, encode] of Object.entries({ o200k, cl100k })) {
    test(`are close for the prompts of an agent, in ${name}`, () => {
      const { long, unlearned } = conversationErrors((text) => encode(text).length);
      assert.ok(long.median < 0.05, `median ${long.median}`);
      assert.ok(long.under > -0.2, `under ${long.under}`);
      assert.ok(long.median < unlearned.median, `${long.median} and ${unlearned.median}`);
    });
  }

  for (const [language, text] of Object.entries(languages)) {
    test(`do not count ${language} like English, which would be far too few`, () => {
      const [least, most] = [o200k(text).length, cl100k(text).length].toSorted((one, other) => one - other);
      const estimated = textTokens(text);
      assert.ok(estimated > (most ?? 0) * 0.55, `${estimated} of ${most}`);
      assert.ok(estimated < (least ?? 0) * 2.3, `${estimated} of ${least}`);
    });
  }

  test('take hashes and base64 for what they are', () => {
    const hash =
      'sha512-9aOe4Cz3qx1Jt0T3yq8bJ5m2uXv7LQw6E1r8nYkZp0sD4fG7hK2lM5nB8vC1xZ3aS6dF9gH0jK4lQ7wE2rT5yU=='.repeat(20);
    const real = o200k(hash).length;
    assert.ok(textTokens(hash) > real * 0.6, `${textTokens(hash)} of ${real}`);
  });
});
