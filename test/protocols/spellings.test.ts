import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { generates, upstreamBodies } from './upstream-bodies.ts';

/** Spellings of one wish, the canonical one first. Any of them may be in one request. */
const groups: Readonly<Record<string, readonly object[]>> = {
  'no thinking': [
    { think: false },
    { reasoning_effort: 'none' },
    { reasoning_effort: 'OFF' },
    { reasoning: { effort: 'none' } },
    { reasoning: { enabled: false } },
    { thinking: { type: 'disabled' } },
    { enable_thinking: false },
    { enable_thinking: 'false' },
    { thinking_budget: 0 },
    { chat_template_kwargs: { enable_thinking: false } },
    { chat_template_kwargs: { thinking: false } },
    { options: { think: false } },
  ],
  'little thinking': [
    { think: 'low' },
    { think: true, reasoning_effort: 'low' },
    { reasoning_effort: 'minimal' },
    { reasoning: { effort: 'low', summary: 'auto' } },
    { thinking: { type: 'enabled', budget_tokens: 1024 } },
    { reasoning: { max_tokens: 2000 } },
    { enable_thinking: true, thinking_budget: 500 },
    { reasoning_effort: { effort: 'low' } },
    { chat_template_kwargs: { enable_thinking: true, reasoning_effort: 'low' } },
  ],
  'much thinking': [
    { think: 'max' },
    { reasoning_effort: 'xhigh' },
    { reasoning_effort: 'ultra' },
    { reasoning: { effort: 'Extra High' } },
    { think: 'maximum', thinking: { type: 'enabled', budget_tokens: 1024 } },
  ],
  'some thinking': [
    { think: true },
    { enable_thinking: true },
    { reasoning: { enabled: true } },
    { thinking: { type: 'enabled', budget_tokens: 0 } },
    { reasoning_effort: 'on' },
  ],
  'thinking as the model likes': [
    {},
    { reasoning_effort: '' },
    { reasoning_effort: 'default' },
    { think: '' },
    { think: null },
    { thinking: { type: 'adaptive' } },
    { thinking: { type: 'auto' } },
    { thinking_budget: -1 },
    { reasoning: {} },
    { chat_template_kwargs: {} },
  ],
  top_k: [{ options: { top_k: 12 } }, { top_k: 12 }, { top_k: '12' }, { top_k: 12, options: { top_k: 12 } }],
  num_ctx: [{ options: { num_ctx: 4096 } }, { num_ctx: 4096 }],
  min_p: [{ options: { min_p: 0.1 } }, { min_p: 0.1 }, { min_p: '0.1' }],
  repeat_penalty: [{ options: { repeat_penalty: 1.2 } }, { repeat_penalty: 1.2 }, { repetition_penalty: 1.2 }],
  temperature: [{ temperature: 0.7 }, { temperature: '0.7' }, { options: { temperature: 0.7 } }],
  seed: [{ seed: 4 }, { options: { seed: 4 } }, { seed: '4' }],
  stop: [{ stop: ['x'] }, { stop: 'x' }, { options: { stop: 'x' } }, { stop: ['', 'x'] }],
};

for (const [path, base] of Object.entries(generates)) {
  suite(`${path}: any spelling gives the same upstream request as the canonical one:`, () => {
    for (const [wish, spellings] of Object.entries(groups)) {
      test(wish, async () => {
        const canonical = await upstreamBodies(path, { ...base, ...spellings[0] });
        for (const spelling of spellings) {
          const { bodies, dropped } = await upstreamBodies(path, { ...base, ...spelling });
          assert.deepEqual([bodies, dropped], [canonical.bodies, canonical.dropped], JSON.stringify(spelling));
        }
      });
    }

    test('several at once (property)', async () => {
      const anySpellings = fc.record(
        Object.fromEntries(
          Object.entries(groups)
            .filter(([wish]) => !wish.includes('thinking') || wish === 'no thinking')
            .map(([wish, spellings]) => [wish, fc.subarray([...spellings], { minLength: 1 })]),
        ),
      );
      await fc.assert(
        fc.asyncProperty(anySpellings, async (chosen) => {
          const canonical = Object.keys(chosen).map((wish) => groups[wish]?.[0] ?? {});
          assert.deepEqual(
            (await upstreamBodies(path, withAll(base, Object.values(chosen).flat()))).bodies,
            (await upstreamBodies(path, withAll(base, canonical))).bodies,
          );
        }),
      );
    });
  });
}

/** @returns the body with all spellings, those of one object in one object */
function withAll(base: object, spellings: readonly object[]): object {
  const body: Record<string, unknown> = { ...base };
  for (const [name, value] of spellings.flatMap((spelling) => Object.entries(spelling))) {
    const other = body[name];
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    body[name] = isObject && typeof other === 'object' ? { ...other, ...(value as object) } : value;
  }
  return body;
}

suite('two spellings that contradict each other are a 400:', () => {
  const contradictions: readonly (readonly [param: string, body: object])[] = [
    ['think', { reasoning_effort: 'high', think: false }],
    ['reasoning_effort', { think: 'low', reasoning_effort: 'high' }],
    ['think', { enable_thinking: true, think: false }],
    ['reasoning.effort', { think: true, reasoning: { effort: 'none' } }],
    ['thinking.type', { reasoning_effort: 'medium', thinking: { type: 'disabled' } }],
    ['chat_template_kwargs.enable_thinking', { think: 'low', chat_template_kwargs: { enable_thinking: false } }],
    ['options.top_k', { top_k: 1, options: { top_k: 2 } }],
    ['options.num_ctx', { num_ctx: 1, options: { num_ctx: 2 } }],
    ['options.temperature', { temperature: 0, options: { temperature: 1 } }],
    ['options.stop', { stop: 'a', options: { stop: ['b'] } }],
    ['repetition_penalty', { repeat_penalty: 1.1, repetition_penalty: 1.2 }],
  ];
  for (const [path, base] of Object.entries(generates)) {
    for (const [param, body] of contradictions) {
      test(`${path} ${JSON.stringify(body)}`, async () => {
        await assert.rejects(upstreamBodies(path, { ...base, ...body }), { status: 400, param });
      });
    }
  }
});

suite('formats of a chat completion', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } };
  const responseFormat = { type: 'json_schema', json_schema: { name: 'x', schema } };
  const cases: readonly (readonly [body: object, format: unknown])[] = [
    [{ format: 'json', response_format: { type: 'json_object' } }, 'json'],
    [{ format: schema, response_format: responseFormat }, schema],
    [{ format: 'json', response_format: responseFormat }, schema],
    [{ format: schema, response_format: { type: 'json_object' } }, schema],
    [{ format: '', response_format: {} }, undefined],
    [{ format: 'json', response_format: {} }, 'json'],
  ];
  for (const [body, format] of cases) {
    test(`${JSON.stringify(body)} agree`, async () => {
      const { bodies } = await upstreamBodies('/v1/chat/completions', {
        ...generates['/v1/chat/completions'],
        ...body,
      });
      assert.deepEqual(bodies['ollama']?.['format'], format);
    });
  }
});

test('the smallest of several limits of tokens counts, and those below 1 are none', async () => {
  const limits: readonly (readonly [body: object, limit: number | undefined])[] = [
    [{ max_tokens: 7, max_completion_tokens: 5, num_predict: 6 }, 5],
    [{ max_tokens: -1, options: { num_predict: 6 } }, 6],
    [{ max_tokens: 0, max_completion_tokens: -1, options: { num_predict: -2 } }, undefined],
    [{ max_tokens: 8.9 }, 8],
    [{ max_tokens: '8' }, 8],
    [{ max_tokens: 1e300 }, 2 ** 31 - 1],
  ];
  for (const [body, limit] of limits) {
    const { bodies } = await upstreamBodies('/v1/chat/completions', { ...generates['/v1/chat/completions'], ...body });
    assert.equal((bodies['ollama']?.['options'] as { num_predict?: number } | undefined)?.num_predict, limit);
    assert.equal(bodies['openai']?.['max_tokens'], limit);
  }
});

test('a word that means no level is named, and leaves the thinking to the model', async () => {
  for (const [path, base] of Object.entries(generates)) {
    const { dropped } = await upstreamBodies(path, { ...base, reasoning_effort: 'purple' });
    assert.deepEqual(dropped, ['reasoning_effort']);
  }
});
