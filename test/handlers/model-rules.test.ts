import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream as streaming } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const parts = ['<thi', 'nk>A heron', '?</think>', '\n\nA heron', '.'];
const messages = [{ role: 'user', content: 'Name a bird.' }];

suite('think_tags: split', () => {
  const rules = [{ match: 'scripted*', think_tags: 'split' }];

  test('separates the thinking in every API and kind of server', async () => {
    await using ollama = await fakeUpstream((res, { body }) => {
      if (!body.includes('"stream":false')) {
        ndjson(res).end(parts.map((part) => chatLine(part)).join('') + doneLine());
        return;
      }
      const message = { role: 'assistant', content: parts.join('') };
      res.setHeader('content-type', 'application/json').end(JSON.stringify({ ...JSON.parse(doneLine()), message }));
    });
    await using openai = await openaiUpstream(
      streaming([...parts.map((content) => chunk({ content })), chunk({}, 'stop')]),
    );
    await using first = await testGateway(ollama, { models: rules });
    await using second = await testGateway([{ name: 'other', kind: 'openai', url: openai.url }], { models: rules });
    for (const [gateway, model] of [
      [first, 'scripted-plain'],
      [second, 'scripted'],
    ] as const) {
      const ask = async (path: string, body: object): Promise<string> =>
        await (await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model, ...body }) })).text();
      for (const stream of [false, true]) {
        const chat = await ask('/v1/chat/completions', { messages, stream });
        assert.match(chat, stream ? /"reasoning_content":"A heron"/ : /"reasoning_content":"A heron\?"/);
        assert.match(chat, stream ? /"content":"A heron"/ : /"content":"A heron\."/);
        const message = await ask('/v1/messages', { messages, max_tokens: 99, stream });
        assert.match(message, /"type":"thinking","thinking":"(A heron\?)?"/);
        const native = (await ask('/api/chat', { messages, stream }))
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { done: boolean; message: { content: string; thinking?: string } });
        assert.equal(native.map((line) => line.message.content).join(''), 'A heron.');
        assert.equal(native.map((line) => line.message.thinking ?? '').join(''), 'A heron?');
        assert.equal(native.at(-1)?.done, true);
        for (const text of [chat, message]) assert.doesNotMatch(text, /think>/);
      }
    }
  });

  test('works with hide_thinking, and only for the models of its rule', async () => {
    await using upstream = await fakeUpstream(
      (res) => void ndjson(res).end(parts.map((part) => chatLine(part)).join('') + doneLine()),
      ['scripted-plain:latest', 'other:latest'],
    );
    const models = [{ match: 'scripted*', think_tags: 'split', hide_thinking: true }];
    await using gateway = await testGateway(upstream, { models });
    const ask = async (path: string, model: string): Promise<string> =>
      await (await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model, messages }) })).text();
    assert.doesNotMatch(await ask('/api/chat', 'scripted-plain'), /think|\?/);
    assert.doesNotMatch(await ask('/v1/chat/completions', 'scripted-plain'), /think|\?/);
    assert.match(await ask('/v1/chat/completions', 'other'), /<think>A heron\?<\/think>/);
    assert.match(await ask('/api/chat', 'other'), /<thi/);
  });
});

test('validate_json of a rule overrides the setting for all models', async () => {
  await using upstream = await fakeUpstream(
    (res) => void ndjson(res).end(chatLine('{"bird":1}') + doneLine()),
    ['strict:latest', 'loose:latest'],
  );
  const schema = { type: 'object', properties: { bird: { type: 'string' } }, required: ['bird'] };
  const response_format = { type: 'json_schema', json_schema: { name: 'bird', schema } };
  const rule = (match: string, validate_json: boolean): object => ({ match, validate_json });
  for (const [settings, statuses] of [
    [{ models: [rule('strict', true)] }, [502, 200]],
    [{ validate_json: true, models: [rule('loose', false)] }, [502, 200]],
  ] as const) {
    await using gateway = await testGateway(upstream, settings);
    const ask = async (model: string): Promise<number> => (await gateway.chat({ model, response_format })).status;
    assert.deepEqual([await ask('strict'), await ask('loose')], statuses);
  }
});

suite('an alias', () => {
  test('of a model of a server of kind openai is listed under its own id', async () => {
    await using upstream = await openaiUpstream(streaming([]), ['Big/Model']);
    const settings = { aliases: { house: 'Big/Model', nothing: 'elsewhere' } };
    await using gateway = await testGateway([{ name: 'other', kind: 'openai', url: upstream.url }], settings);
    const ids = async (path: string, field: string): Promise<string[]> => {
      const list = (await (await gateway.fetch(path)).json()) as Record<string, Record<string, string>[]>;
      return Object.values(list).flatMap((models) =>
        Array.isArray(models) ? models.map((model) => model[field] ?? '') : [],
      );
    };
    assert.deepEqual(await ids('/v1/models', 'id'), ['Big/Model', 'house']);
    assert.deepEqual(await ids('/api/tags', 'name'), ['Big/Model', 'house']);
    const one = (await (await gateway.fetch('/v1/models/house')).json()) as { id: string };
    assert.equal(one.id, 'house');
  });

  test('that is a pattern stands for its model, and is not listed', async () => {
    await using upstream = await fakeUpstream(
      (res) => void ndjson(res).end(chatLine('Hi') + doneLine()),
      ['qwen3-coder:latest', 'claude-local:latest', 'small:latest'],
    );
    const aliases = {
      'claude-*': 'qwen3-coder',
      'claude-local': 'claude-local',
      'claude-haiku-*': 'small',
      '*-mini': 'small',
    };
    await using gateway = await testGateway(upstream, { aliases });
    for (const [name, expected] of [
      ['claude-sonnet-4-5-20250929', 'qwen3-coder'],
      ['CLAUDE-3', 'qwen3-coder'],
      // An alias that is a name, and then the first pattern that matches.
      ['claude-local', 'claude-local'],
      ['claude-haiku-4', 'qwen3-coder'],
      ['gpt-5-mini', 'small'],
      ['small', 'small'],
    ] as const) {
      for (const path of ['/v1/messages', '/api/chat']) {
        const body = JSON.stringify({ model: name, messages, max_tokens: 9 });
        const response = await gateway.fetch(path, { method: 'POST', body });
        assert.equal(response.status, 200);
        await response.text();
        assert.partialDeepStrictEqual(JSON.parse(upstream.requests.at(-1)?.body ?? ''), { model: expected });
      }
    }
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ['qwen3-coder:latest', 'claude-local:latest', 'small:latest', 'claude-local'],
    );
    const one = (await (await gateway.fetch('/v1/models/claude-opus-4')).json()) as { id: string };
    assert.equal(one.id, 'claude-opus-4');
  });
});
