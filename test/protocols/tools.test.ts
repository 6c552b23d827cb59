import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ClientToolChoice, chooseTools } from '../../src/protocols/tools.ts';

const tools = [{ name: 'f' }, { name: 'g' }];

suite('chooseTools', () => {
  const cases: [choice: ClientToolChoice, given: typeof tools, expected: object | 'refused'][] = [
    ['auto', tools, { tools }],
    ['auto', [], {}],
    ['none', tools, {}],
    ['none', [], {}],
    ['required', tools, { tools, toolChoice: 'required' }],
    ['required', [], 'refused'],
    [{ name: 'g' }, tools, { tools, toolChoice: { name: 'g' } }],
    [{ name: 'h' }, tools, 'refused'],
    [{ name: 'g' }, [], 'refused'],
  ];
  for (const [choice, given, expected] of cases) {
    const result = expected === 'refused' ? 'is refused' : `sends ${JSON.stringify(expected)}`;
    test(`${JSON.stringify(choice)} with ${given.length} tools ${result}`, () => {
      if (expected === 'refused')
        assert.throws(() => chooseTools(given, choice), { param: 'tool_choice', status: 400 });
      else assert.deepEqual(chooseTools(given, choice), expected);
    });
  }
});
