import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { readLoad, stampLength, tokensOf } from './model.ts';
import { startUpstream } from './upstream.ts';

interface Line {
  readonly message: { readonly content: string };
  readonly done: boolean;
  readonly done_reason?: string;
  readonly eval_count?: number;
}

describe("the benchmark's upstream", () => {
  let url: string;
  let upstream: Awaited<ReturnType<typeof startUpstream>>;
  before(async () => {
    upstream = await startUpstream(['bench-n3', 'bench-n7-b2-t1']);
    url = `http://127.0.0.1:${upstream.port}`;
  });
  after(() => upstream.close());

  const post = async (path: string, body: object): Promise<Response> =>
    await fetch(url + path, { method: 'POST', body: JSON.stringify({ messages: [], ...body }) });
  const lines = async (body: object): Promise<Line[]> => {
    const text = await (await post('/api/chat', body)).text();
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  };

  it('streams the tokens that the name of the model describes', async () => {
    for (const model of ['bench-n70', 'bench-n5-i2-b2-d3:latest']) {
      const load = readLoad(model);
      assert.ok(load);
      const found = await lines({ model });
      const contents = found.map(({ message }) => message.content);
      assert.deepEqual(contents, [...tokensOf(load), '']);
      const { done, done_reason: reason, eval_count: count } = found.at(-1) ?? {};
      assert.deepEqual([done, reason, count], [true, 'stop', load.tokens]);
      assert.ok(found.slice(0, -1).every((line) => !line.done));
    }
  });

  it('stamps tokens with the time of their write', async () => {
    const contents = (await lines({ model: 'bench-n7-b2-t1' })).slice(0, -1).map(({ message }) => message.content);
    const stamps = contents.map((content) => Number(content.slice(0, stampLength)));
    assert.deepEqual(
      stamps,
      stamps.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(stamps).size, 4, 'a stamp for each write');
    const load = readLoad('bench-n7');
    assert.ok(load);
    assert.deepEqual(
      contents.map((content) => content.slice(stampLength)),
      tokensOf(load),
    );
  });

  it('writes as many lines at once as the name of the model says', async () => {
    const body = JSON.stringify({ model: 'bench-n7-b3', messages: [] });
    const request = `POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const socket = connect(upstream.port, '127.0.0.1');
    socket.write(request);
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      text += String(chunk);
      if (text.endsWith('\r\n0\r\n\r\n')) break;
    }
    const chunks = text
      .split(/\r\n[0-9a-f]+\r\n/)
      .slice(1)
      .map((chunk) => chunk.split('\n').length - 1);
    // Seven tokens, the done line, and the end of the body.
    assert.deepEqual(chunks.slice(0, -1), [3, 3, 1, 1]);
  });

  it('answers without streaming, and in the OpenAI API', async () => {
    const load = readLoad('bench-n40');
    assert.ok(load);
    const text = tokensOf(load).join('');
    const whole = (await (await post('/api/chat', { model: 'bench-n40', stream: false })).json()) as Line;
    assert.equal(whole.message.content, text);
    const openai = await post('/v1/chat/completions', { model: 'bench-n40' });
    const { choices } = (await openai.json()) as { choices: [{ message: { content: string } }] };
    assert.equal(choices[0].message.content, text);
    const streamed = await post('/v1/chat/completions', { model: 'bench-n40', stream: true });
    const events = (await streamed.text()).split('\n\n');
    assert.deepEqual(events.slice(-2), ['data: [DONE]', '']);
    const contents = events.slice(0, -2).map((event) => {
      const chunk = JSON.parse(event.slice(6)) as { choices: [{ delta: { content: string } }] };
      return chunk.choices[0].delta.content;
    });
    assert.equal(contents.join(''), text);
  });

  it('rejects unknown models and prompts that were cut', async () => {
    assert.equal((await post('/api/chat', { model: 'llama' })).status, 404);
    assert.equal((await post('/api/chat', { model: 'bench-n3-p500' })).status, 400);
    assert.equal((await post('/api/chat', { model: 'bench-n3-p500', filler: 'x'.repeat(500) })).status, 200);
    const { models } = (await (await fetch(`${url}/api/tags`)).json()) as { models: { name: string }[] };
    assert.deepEqual(
      models.map(({ name }) => name),
      ['bench-n3', 'bench-n7-b2-t1'],
    );
  });
});
