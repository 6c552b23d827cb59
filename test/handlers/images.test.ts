import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';

const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const image = (url: string): object => ({
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is this?' },
        { type: 'image_url', image_url: { url } },
      ],
    },
  ],
});

/** An upstream that reports these capabilities of its model; with undefined it reports none. */
async function upstreamWith(capabilities: string[] | undefined): Promise<FakeUpstream> {
  return await fakeUpstream((res, request) => {
    if (request.url === '/api/show') res.end(JSON.stringify({ capabilities }));
    else void plainAnswer()(res, request);
  });
}

interface ErrorResponse {
  error: { message: string; param: string };
}

suite('an image in a data URI', () => {
  test('reaches the model, and is left out and listed when the model has no vision', async () => {
    const known: [string[] | undefined, string | null][] = [
      [['completion', 'vision'], null],
      [undefined, null],
      [['completion'], 'messages.content.image_url'],
    ];
    for (const [capabilities, dropped] of known) {
      await using upstream = await upstreamWith(capabilities);
      await using gateway = await testGateway(upstream);
      const response = await gateway.chat(image(`data:image/png;base64,${png}`));
      assert.deepEqual([response.status, response.headers.get('x-llamaduct-dropped')], [200, dropped]);
      const chats = upstream.requests.filter(({ url }) => url === '/api/chat');
      // Newer Ollama servers refuse images for such a model.
      const expected = dropped === null ? new RegExp(`"images":\\["${png.slice(0, 20)}`) : /does not see images/;
      assert.match(chats[0]?.body ?? '', expected);
      await using strict = await testGateway(upstream, { strict: true });
      assert.equal((await strict.chat(image(`data:image/png;base64,${png}`))).status, dropped === null ? 200 : 400);
    }
  });
});

suite('an image by URL', () => {
  test('is a 400 when fetching is off, and when its address is private', async () => {
    await using upstream = await upstreamWith(['vision']);
    await using closed = await testGateway(upstream);
    await using open = await testGateway(upstream, { images: { fetch: true, count: 2 } });
    const refusals: [typeof closed, string, RegExp][] = [
      [closed, 'https://example.org/a.png', /must be a data URI/],
      [open, `${upstream.url}/a.png`, /cannot be fetched/],
      [open, 'http://169.254.169.254/latest/meta-data', /cannot be fetched/],
      [open, 'http://localhost/a.png', /cannot be fetched/],
    ];
    for (const [gateway, url, message] of refusals) {
      const response = await gateway.chat(image(url));
      const { error } = (await response.json()) as ErrorResponse;
      assert.deepEqual([response.status, error.param], [400, 'messages[0].content[1].image_url.url'], url);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /127\.0\.0\.1/);
    }
    const many = Array.from({ length: 3 }, () => ({
      type: 'image_url',
      image_url: { url: 'https://example.org/a.png' },
    }));
    const response = await open.chat({ messages: [{ role: 'user', content: many }] });
    assert.match(((await response.json()) as ErrorResponse).error.message, /at most 2 image URLs/);
    assert.ok(upstream.requests.every(({ url }) => url === '/api/show'));
  });

  test('is fetched from an address that the operator allows, and from no other', async () => {
    await using upstream = await upstreamWith(['vision']);
    await using site = await fakeUpstream(
      (res) => void res.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from(png, 'base64')),
    );
    const { port } = new URL(site.url);
    const images = { fetch: true, allow: ['127.0.0.1/32'], ports: [Number(port)] };
    await using gateway = await testGateway(upstream, { images });
    for (const stream of [true, false]) {
      const response = await gateway.chat({ ...image(`${site.url}/a.png`), stream });
      assert.equal(response.status, 200);
      await response.text();
      const [message] = (JSON.parse(upstream.requests.at(-1)?.body ?? '') as { messages: object[] }).messages;
      assert.deepEqual(message, { role: 'user', content: 'what is this?', images: [png] });
    }
    assert.equal((await gateway.chat(image(`http://127.0.0.2:${port}/a.png`))).status, 400);
    assert.equal(site.requests.length, 2);
  });

  test('counts against the memory for bodies, once for each choice', async () => {
    const sizes = [900_000, 100_000, 100_000];
    await using images = await fakeUpstream(
      (res) => void res.end(Buffer.concat([Buffer.from(png, 'base64'), Buffer.alloc(sizes.shift() ?? 0)])),
    );
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, {
      limits: { body: '1MiB', bodies_total: '2MiB' },
      images: { fetch: true, allow: ['127.0.0.0/8'], ports: [Number(new URL(images.url).port)] },
    });
    const statuses: number[] = [];
    for (const n of [1, 8, 1]) {
      const response = await gateway.chat({ ...image(`${images.url}/a.png`), n });
      await response.text();
      statuses.push(response.status);
    }
    assert.deepEqual(statuses, [503, 503, 200]);
  });

  test('does not fail in strict mode before it has been fetched', async () => {
    await using images = await fakeUpstream((res) => void res.end(Buffer.from(png, 'base64')));
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, {
      strict: true,
      images: { fetch: true, allow: ['127.0.0.0/8'], ports: [Number(new URL(images.url).port)] },
    });
    const content = [{ type: 'input_image', image_url: `${images.url}/a.png` }];
    const body = JSON.stringify({ model: 'scripted-plain', input: [{ role: 'user', content }] });
    const response = await gateway.fetch('/v1/responses', { method: 'POST', body });
    assert.equal(response.status, 200, await response.text());
  });
});
