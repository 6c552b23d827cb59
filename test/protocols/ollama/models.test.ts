import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ps } from '../../../src/protocols/ollama/ps/index.ts';
import { show } from '../../../src/protocols/ollama/show/index.ts';
import { tags } from '../../../src/protocols/ollama/tags/index.ts';
import { rootEndpoint, versionEndpoint } from '../../../src/protocols/ollama/version/index.ts';
import { recording } from '../../helpers/recordings.ts';

type Fields = Record<string, unknown>;

function recorded(name: string): Fields {
  return JSON.parse(recording(`ollama-0.17.4/${name}`).body.toString('utf8')) as Fields;
}

/** @returns the type of every field */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return 'array';
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shape(field)]));
}

test('/api/tags lists models with the fields and types of a recorded list', () => {
  const modified = Date.UTC(2026, 10, 21) / 1000;
  const { models } = tags.list([
    { name: 'one', modified },
    { name: 'two:7b', modified },
  ]) as { models: Fields[] };
  const [theirs] = recorded('tags')['models'] as Fields[];
  assert.deepEqual(models.map(shape), [shape(theirs), shape(theirs)]);
  const [one, two] = models;
  assert.deepEqual([one?.['name'], one?.['model'], two?.['name']], ['one', 'one', 'two:7b']);
  assert.equal(one?.['modified_at'], '2026-11-21T00:00:00.000Z');
  assert.match(String(one?.['digest']), /^[0-9a-f]{64}$/);
  assert.notEqual(one?.['digest'], two?.['digest']);
});

test('/api/show has the fields that clients read, with the types of a recorded answer', () => {
  const shown = show.show({ name: 'm', modified: 0, contextLength: 8192, capabilities: ['completion'] }) as Fields;
  const theirs = shape(recorded('show-plain')) as Fields;
  const { model_info: info, ...rest } = shown;
  for (const [field, kind] of Object.entries(shape(rest) as Fields)) assert.deepEqual(kind, theirs[field], field);
  assert.deepEqual(info, { 'general.architecture': 'unknown', 'unknown.context_length': 8192 });
  assert.deepEqual([shown['capabilities'], shown['template']], [['completion'], '']);
});

test('/api/show assumes completion and tools when the backend reports no capabilities', () => {
  const shown = show.show({ name: 'm', modified: 0 }) as Fields;
  assert.deepEqual(shown['capabilities'], ['completion', 'tools']);
  assert.deepEqual(shown['model_info'], { 'general.architecture': 'unknown' });
  // LiteLLM looks for this word.
  assert.match(String(shown['template']), /tools/i);
});

test('/api/show takes the model as model or as name, and refuses a body without either', () => {
  assert.equal(show.readName?.({ model: 'm' }), 'm');
  assert.equal(show.readName?.({ Name: 'm' }), 'm');
  assert.equal(show.readName?.({ model: '', name: 'm' }), 'm');
  for (const body of [{}, { model: '' }, { model: 1 }, []]) assert.throws(() => show.readName?.(body), { status: 400 });
});

test('/api/ps, /api/version and / answer like a recorded Ollama', async () => {
  const request = {
    id: '',
    item: '',
    query: new URLSearchParams(),
    owner: '',
    body: () => ({}),
    report: () => undefined,
  };
  assert.deepEqual(await ps.answer(request), recorded('ps-none'));
  assert.deepEqual(await versionEndpoint.answer(request), recorded('version'));
  assert.equal(await rootEndpoint.answer(request), 'Ollama is running');
});
