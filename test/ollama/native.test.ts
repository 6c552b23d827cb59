import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Ollama } from 'ollama';
import { secret } from '../helpers/gateway.ts';
import { liveGateway, native, ollama, user } from './live.ts';

const gateway = await liveGateway();
after(() => gateway.close());

const post = (body: object): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });

/** @returns the text without times and ids of calls, which differ between requests */
function stable(text: string): string {
  return text
    .replace(/"created_at":"[^"]*"/g, '"created_at":""')
    .replace(/"(\w+_duration)":\d+/g, '"$1":0')
    .replace(/"id":"call_\w+"/g, '"id":""');
}

describe("Ollama's own API is passed through byte for byte", () => {
  const requests: readonly (readonly [path: string, body?: object])[] = [
    ['/'],
    ['/api/version'],
    ['/api/ps'],
    ['/api/show', { model: 'scripted-tools' }],
    ['/api/show', { model: 'scripted-nowhere' }],
    ['/api/embed', { model: 'scripted-embed', input: ['one', 'two'] }],
    ['/api/embeddings', { model: 'scripted-embed', prompt: 'one' }],
    ['/api/generate', { model: 'scripted-utf8', prompt: 'hi' }],
    ['/api/generate', { model: 'scripted-plain', prompt: 'hi', stream: false }],
    ['/api/chat', { model: 'scripted-think', messages: [user('hi')] }],
    ['/api/chat', { model: 'scripted-plain', messages: 'none' }],
  ];
  for (const [path, body] of requests) {
    test(`${path} ${JSON.stringify(body ?? '')}`, async () => {
      const init = body === undefined ? {} : post(body);
      const expected = await fetch(ollama + path, init);
      const given = await gateway.fetch(path, init);
      assert.equal(given.status, expected.status);
      assert.equal(given.headers.get('content-type'), expected.headers.get('content-type'));
      assert.equal(stable(await given.text()), stable(await expected.text()));
    });
  }

  test('a stream that Ollama ends without a done line is followed by an error, and the connection breaks', async () => {
    const init = post({ model: 'scripted-repeat', messages: [user('hi')] });
    const expected = stable(await (await fetch(`${ollama}/api/chat`, init)).text());
    const response = await gateway.fetch('/api/chat', init);
    const received: Uint8Array[] = [];
    await assert.rejects(async () => {
      for await (const chunk of response.body ?? []) received.push(chunk);
    }, /terminated/);
    assert.ok(expected.endsWith('"done":false}\n'));
    assert.equal(
      stable(Buffer.concat(received).toString('utf8')),
      `${expected}${JSON.stringify({ error: 'The model stopped before its answer was complete.' })}\n`,
    );
  });

  test('HEAD / answers 200 without a body', async () => {
    const given = await gateway.fetch('/', { method: 'HEAD' });
    assert.deepEqual([given.status, await given.text()], [200, '']);
  });

  test('lines are passed on as they arrive', async () => {
    const response = await gateway.fetch('/api/chat', post({ model: 'scripted-plain', messages: [user('hi')] }));
    let chunks = 0;
    for await (const _ of response.body ?? []) chunks += 1;
    assert.ok(chunks > 20, `44 lines in ${chunks} chunks`);
  });
});

test('the ollama package lists, embeds and chats through llamaduct', async () => {
  const client = new Ollama({ host: gateway.url, headers: { authorization: `Bearer ${secret}` } });
  const { models } = await client.list();
  assert.ok(models.some(({ name }) => name === 'scripted-plain:latest'));
  const { embeddings } = await client.embed({ model: 'scripted-embed', input: 'one' });
  assert.ok((embeddings[0]?.length ?? 0) > 0);
  let text = '';
  for await (const part of await client.chat({ model: 'scripted-plain', messages: [user('hi')], stream: true }))
    text += part.message.content;
  assert.match(text, /^Hello! I am a scripted model/);
});

test('accepts the key as the password of Basic authentication', async () => {
  const basic = (key: string): RequestInit => ({
    headers: { authorization: `Basic ${Buffer.from(`me:${key}`).toString('base64')}` },
  });
  assert.equal((await gateway.fetch('/api/tags', basic(secret))).status, 200);
  const refused = await gateway.fetch('/api/tags', basic('ld-not-a-key'));
  assert.deepEqual([refused.status, typeof ((await refused.json()) as { error: unknown }).error], [401, 'string']);
});

/** Sorts by name. Ollama sorts by the second in which a model was created, and randomly within it. */
function sorted<T extends { readonly name: string }>(models: readonly T[]): T[] {
  return models.toSorted((a, b) => a.name.localeCompare(b.name));
}

test('/api/tags and /v1/models list the models of Ollama', async () => {
  interface Tags {
    readonly models: readonly { readonly name: string }[];
  }
  const { models } = await native<Tags>('/api/tags');
  const given = (await (await gateway.fetch('/api/tags')).json()) as Tags;
  assert.deepEqual(sorted(given.models), sorted(models));

  const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
  const ids = new Set(data.map(({ id }) => id));
  assert.deepEqual(ids, new Set(models.map(({ name }) => name)));
  for (const id of ['scripted-plain', 'scripted-plain:latest']) {
    assert.equal(((await (await gateway.fetch(`/v1/models/${id}`)).json()) as { id: string }).id, id);
  }
});
