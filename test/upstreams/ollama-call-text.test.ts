import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { beginsAsCall, readBrokenCall, readCall } from '../../src/upstreams/ollama/call-text.ts';

const names = ['look_up', 'camera'];

suite('readCall and readBrokenCall', () => {
  const cases: [text: string, expected: object | undefined][] = [
    [
      '{"name":"look_up","arguments":{"id":9007199254740993}}',
      { name: 'look_up', arguments: '{"id":9007199254740993}' },
    ],
    ['{"name":"look_up"}', { name: 'look_up', arguments: '{}' }],
    ['{"name":"look_up","arguments":null}', { name: 'look_up', arguments: '{}' }],
    ['{"name":"look_up","arguments":"the reed"}', { name: 'look_up', arguments: 'the reed' }],
    ['{"name":"look_up","arguments":[1]}', { name: 'look_up', arguments: '[1]' }],
    ['{ "name" : "look_up" , "arguments" : {"place": "ree', { name: 'look_up', arguments: '{"place": "ree' }],
    ['{"name":"look_up"', undefined],
    ['{"name":"nobody","arguments":{}}', undefined],
    ['{"name":"nobody","arguments":{', undefined],
    ['{"bird":"heron"}', undefined],
    ['The reed.', undefined],
  ];
  for (const [text, expected] of cases) {
    test(`${expected === undefined ? 'finds no call in' : 'reads'} ${text}`, () => {
      assert.deepEqual(readCall(text, names) ?? readBrokenCall(text, names), expected);
    });
  }
});

suite('beginsAsCall', () => {
  const bird = { type: 'object', properties: { bird: { type: 'string' } } };
  const person = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } } };
  const cases: [text: string, expected: { bird: boolean; person: boolean; json: boolean }][] = [
    ['', { bird: false, person: false, json: false }],
    ['{', { bird: false, person: false, json: false }],
    ['{"', { bird: false, person: false, json: false }],
    ['{"n', { bird: true, person: false, json: false }],
    ['{ "name" : "', { bird: true, person: false, json: false }],
    ['{"name": "loo', { bird: true, person: true, json: true }],
    ['{"name": "look_up"', { bird: true, person: true, json: true }],
    ['{"name": "look_up", "arg', { bird: true, person: true, json: true }],
    ['{"name": "look_up", "arguments" ', { bird: true, person: true, json: true }],
    ['{"name": "look_up", "arguments": {"place": "ree', { bird: true, person: true, json: true }],
    ['{"name": "look_up", "age', { bird: false, person: false, json: false }],
    ['{"name": "Ada', { bird: false, person: false, json: false }],
    ['{"name": "Ada", "arguments": {', { bird: false, person: false, json: false }],
    ['{"bird": "her', { bird: false, person: false, json: false }],
    ['Name a bird', { bird: false, person: false, json: false }],
  ];
  for (const [text, expected] of cases) {
    test(`${text} beside answers of three formats`, () => {
      const actual = {
        bird: beginsAsCall(text, names, bird),
        person: beginsAsCall(text, names, person),
        json: beginsAsCall(text, names, 'json'),
      };
      assert.deepEqual(actual, expected);
    });
  }
});
