import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Countable } from '../../src/chat/countable.ts';
import { TokenCounter } from '../../src/handlers/steps/token-counter.ts';

const text = (tokens: number, media = ''): Countable => ({ tokens, media });

suite('the counter of tokens', () => {
  test('knows nothing of a model whose prompts no server has counted', () => {
    assert.equal(new TokenCounter().count('m', text(100)), undefined);
  });

  test('learns the tokens of the template and those of the text', () => {
    const counter = new TokenCounter();
    for (const estimated of [100, 400, 900, 2_000]) counter.learn('m', text(estimated), 30 + 1.2 * estimated);
    assert.equal(counter.count('m', text(10_000)), 12_030);
    assert.equal(counter.count('other', text(10_000)), undefined);
  });

  test('follows a model whose template changes', () => {
    const counter = new TokenCounter();
    for (let time = 0; time < 100; time += 1) counter.learn('m', text(100 + time), 100 + time);
    for (let time = 0; time < 400; time += 1) counter.learn('m', text(100 + time), 2 * (100 + time));
    const counted = counter.count('m', text(400)) ?? 0;
    assert.ok(Math.abs(counted - 800) < 8, String(counted));
  });

  test('uses the ratio alone while all prompts have one length', () => {
    const counter = new TokenCounter();
    for (let time = 0; time < 5; time += 1) counter.learn('m', text(100), 150);
    assert.equal(counter.count('m', text(1_000)), 1_500);
  });

  test('learns nothing from a server that did not count the whole prompt, or counted nonsense', () => {
    const counter = new TokenCounter();
    for (const counted of [0, 12, 1e9, Infinity, Number.NaN]) counter.learn('m', text(1_000), counted);
    counter.learn('m', text(1_000), 1_000);
    assert.equal(counter.count('m', text(1_000)), 1_000);
  });

  test('forgets the model that was used least recently', () => {
    const counter = new TokenCounter();
    for (let model = 0; model <= 1_000; model += 1) counter.learn(`m${model}`, text(100), 100);
    assert.deepEqual([counter.count('m0', text(100)), counter.count('m1', text(100))], [undefined, 100]);
  });

  test('learns what images have more than the text', () => {
    const counter = new TokenCounter();
    counter.learn('m', text(100), 100);
    assert.equal(counter.count('m', text(100, 'a cat')), undefined);
    counter.learn('m', text(100, 'a cat'), 700);
    assert.equal(counter.count('m', text(500, 'a cat')), 1_100);
    assert.equal(counter.count('m', text(500, 'a cat and a dog')), undefined);
    assert.equal(counter.count('m', text(500)), 500);
  });

  test('forgets the images that were counted least recently', () => {
    const counter = new TokenCounter();
    for (let image = 0; image <= 32; image += 1) counter.learn('m', text(0, `image ${image}`), 100 + image);
    assert.deepEqual(
      [counter.count('m', text(0, 'image 0')), counter.count('m', text(0, 'image 1'))],
      [undefined, 101],
    );
  });

  test('takes its own estimate for a model whose server does not count', () => {
    const counter = new TokenCounter();
    counter.learn('m', text(100), 0);
    assert.equal(counter.count('m', text(500)), 500);
  });

  test('looks at few prompts of a model that it knows', () => {
    const counter = new TokenCounter();
    counter.learn('m', text(100), 100);
    const wanted = Array.from({ length: 449 }, () => counter.wants('m')).filter(Boolean).length;
    assert.equal(wanted, 49 + 50);
    assert.equal(counter.wants('other'), true);
  });
});
