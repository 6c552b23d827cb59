import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { TokenCounter } from '../../src/handlers/steps/token-counter.ts';

suite('the counter of tokens', () => {
  test('knows nothing of a model whose prompts no server has counted', () => {
    assert.equal(new TokenCounter().count('m', 100), undefined);
  });

  test('learns the tokens of the template and those of the text', () => {
    const counter = new TokenCounter();
    for (const estimated of [100, 400, 900, 2_000]) counter.learn('m', estimated, 30 + 1.2 * estimated);
    assert.equal(counter.count('m', 10_000), 12_030);
    assert.equal(counter.count('other', 10_000), undefined);
  });

  test('follows a model whose template changes', () => {
    const counter = new TokenCounter();
    for (let time = 0; time < 100; time += 1) counter.learn('m', 100 + time, 100 + time);
    for (let time = 0; time < 400; time += 1) counter.learn('m', 100 + time, 2 * (100 + time));
    const counted = counter.count('m', 400) ?? 0;
    assert.ok(Math.abs(counted - 800) < 8, String(counted));
  });

  test('uses the ratio alone while all prompts have one length', () => {
    const counter = new TokenCounter();
    for (let time = 0; time < 5; time += 1) counter.learn('m', 100, 150);
    assert.equal(counter.count('m', 1_000), 1_500);
  });

  test('learns nothing from a server that did not count the whole prompt, or counted nonsense', () => {
    const counter = new TokenCounter();
    for (const counted of [0, 12, 1e9, Infinity, Number.NaN]) counter.learn('m', 1_000, counted);
    counter.learn('m', 1_000, 1_000);
    assert.equal(counter.count('m', 1_000), 1_000);
  });

  test('forgets the model that was used least recently', () => {
    const counter = new TokenCounter();
    for (let model = 0; model <= 1_000; model += 1) counter.learn(`m${model}`, 100, 100);
    assert.deepEqual([counter.count('m0', 100), counter.count('m1', 100)], [undefined, 100]);
  });
});
