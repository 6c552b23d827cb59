import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ToolNames } from '../../src/calls/tool-names.ts';

const names = new ToolNames(
  ['get_weather', 'mcp__vault__get_secret', 'mcp__a__list', 'mcp__b__list', 'Read', 'read_file', 'readFile'].map(
    (name) => ({ name }),
  ),
);

suite('the tool that a name means', () => {
  for (const [written, meant] of [
    ['get_weather', 'get_weather'],
    ['get-weather', 'get_weather'],
    ['GetWeather', 'get_weather'],
    ['functions.get_weather', 'get_weather'],
    ['mcp__server__get_weather', 'get_weather'],
    ['get_secret', 'mcp__vault__get_secret'],
    ['mcp__vault__Get-Secret', 'mcp__vault__get_secret'],
    ['mcp__b__list', 'mcp__b__list'],
    ['MCP__B__LIST', 'mcp__b__list'],
    ['read', 'Read'],
    ['readFile', 'readFile'],
  ] as const) {
    test(`of ${written} is ${meant}`, () => {
      assert.equal(names.find(written)?.name, meant);
    });
  }

  for (const written of ['list', 'mcp__c__list', 'ReadFile', 'get_weather_now', '', '_', 'x'.repeat(100_000)]) {
    test(`of ${written.slice(0, 20)} is not certain`, () => {
      assert.equal(names.find(written), undefined);
    });
  }
});
