import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../../src/errors.ts';
import { generate } from '../../../src/protocols/ollama/generate/index.ts';
import { readGenerate } from '../../../src/protocols/ollama/generate/request.ts';

const png = 'iVBORw0KGgo=';
const read = (body: object): ReturnType<typeof readGenerate> => readGenerate({ model: 'm', prompt: 'p', ...body });

suite('an /api/generate request', () => {
  test('is a chat with one user message', () => {
    assert.deepEqual(read({ images: [png], context: [], template: '', raw: false, suffix: '' }), {
      request: {
        kind: 'chat',
        model: 'm',
        sampling: {},
        messages: [{ role: 'user', text: 'p', images: [{ base64: png }] }],
      },
      loadOnly: false,
      stream: true,
      dropped: [],
    });
  });

  test('turns system into a system message', () => {
    const { request } = read({ system: 's', format: 'json', think: 'low', options: { num_ctx: 64, seed: 1 } });
    assert.deepEqual(request, {
      kind: 'chat',
      model: 'm',
      sampling: { seed: 1 },
      options: { num_ctx: 64 },
      format: 'json',
      think: 'low',
      messages: [
        { role: 'system', text: 's' },
        { role: 'user', text: 'p', images: [] },
      ],
    });
  });

  test('with raw or a suffix is a text to be continued', () => {
    const common = { kind: 'completion', model: 'm', sampling: {}, prompt: 'p' };
    assert.deepEqual(read({ raw: true }).request, { ...common, raw: true });
    assert.deepEqual(read({ suffix: 's' }).request, { ...common, suffix: 's' });
  });

  test('reports fields that have no effect as dropped', () => {
    const fields = { template: '{{ .Prompt }}', context: [1, 2], shift: true, width: 64 };
    assert.deepEqual(read(fields).dropped.toSorted(), ['context', 'shift', 'template', 'width']);
    assert.deepEqual(read({ suffix: 's', system: 'be brief' }).dropped, ['system']);
  });

  const refused: [string, object][] = [
    ['prompt', { prompt: ['p'] }],
    ['system', { system: 1 }],
    ['suffix', { suffix: {} }],
    ['raw', { raw: 'yes' }],
    ['images', { images: [png], raw: true }],
    ['system', { system: 's', raw: true }],
    ['template', { template: 't', raw: true }],
    ['context', { context: [1], raw: true }],
  ];
  for (const [param, body] of refused) {
    test(`with ${JSON.stringify(body)} is refused with a 400 for ${param}`, () => {
      assert.throws(
        () => read(body),
        (error) => error instanceof GatewayError && error.status === 400 && error.param === param,
      );
    });
  }

  test('without a prompt is answered at once with done_reason load or unload', async () => {
    const reasonOf = async (body: object): Promise<unknown> => {
      const { ready } = await generate.read({ model: 'm', ...body }, '');
      const { created_at: _, ...rest } = ready as Record<string, unknown>;
      const { done_reason: reason, ...others } = rest;
      assert.deepEqual(others, { model: 'm', response: '', done: true });
      return reason;
    };
    assert.equal(await reasonOf({}), 'load');
    assert.equal(await reasonOf({ prompt: '', keep_alive: '0m' }), 'unload');
    assert.equal((await generate.read({ model: 'm', prompt: 'p' }, '')).ready, undefined);
  });
});
