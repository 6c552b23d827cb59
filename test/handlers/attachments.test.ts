import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { packedPdfOf, pdfOf } from '../documents/pdf.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';

const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } };
const recording = { type: 'input_audio', input_audio: { data: 'UklGRgAAAABXQVZF', format: 'wav' } };
const herons = pdfOf('Herons stand in the reed.').toString('base64');

/** An Ollama with models of these capabilities. */
async function ollamaWith(capabilities: Record<string, readonly string[] | undefined>): Promise<FakeUpstream> {
  const show = (body: string): readonly string[] | undefined => {
    const { model } = JSON.parse(body) as { model: string };
    return capabilities[model.replace(/:latest$/, '')];
  };
  return await fakeUpstream(
    (res, request) => {
      if (request.url === '/api/show') res.end(JSON.stringify({ capabilities: show(request.body) }));
      else void plainAnswer()(res, request);
    },
    Object.keys(capabilities).map((name) => `${name}:latest`),
  );
}

interface Sent {
  readonly role: string;
  readonly content: string;
  readonly images?: readonly string[];
}

function sentTo(upstream: FakeUpstream): readonly Sent[] {
  const { body } = upstream.requests.findLast(({ url }) => url === '/api/chat') ?? { body: '{"messages":[]}' };
  return (JSON.parse(body) as { messages: Sent[] }).messages;
}

const said = (role: string, content: unknown): object => ({ role, content });

suite('an attachment that cannot be used', () => {
  const unusable: [name: string, part: object, field: string][] = [
    [
      'an image in bytes that are none',
      { type: 'image_url', image_url: { url: 'data:image/png;base64,aGVsbG8=' } },
      'image_url',
    ],
    [
      'an image by an address that is not fetched',
      { type: 'image_url', image_url: { url: 'https://x.example/a' } },
      'image_url',
    ],
    ['an image of an uploaded file', { type: 'input_image', file_id: 'file_1' }, 'image_url'],
    [
      'a recording that is not base64',
      { type: 'input_audio', input_audio: { data: '%', format: 'wav' } },
      'input_audio',
    ],
  ];
  for (const [name, part, field] of unusable) {
    test(`is refused in the last message, and left out in earlier ones: ${name}`, async () => {
      await using upstream = await ollamaWith({ m: ['completion', 'vision', 'audio'] });
      await using gateway = await testGateway(upstream);
      const content = [{ type: 'text', text: 'Look.' }, part];
      const refused = await gateway.chat({ model: 'm', messages: [said('user', content)] });
      const { error } = (await refused.json()) as { error: { param: string } };
      assert.equal(refused.status, 400);
      assert.match(error.param, /^messages\[0\]\.content\[1\]/);
      const histories = [
        [said('user', content), said('assistant', 'Hm.'), said('user', 'Go on.')],
        [said('assistant', content), said('user', 'Go on.')],
        [said('user', 'Go on.'), { role: 'tool', tool_call_id: 'c', content }],
      ];
      for (const messages of histories) {
        const response = await gateway.chat({ model: 'm', messages });
        assert.equal(response.status, 200, await response.text());
        assert.equal(response.headers.get('x-llamaduct-dropped'), `messages.content.${field}`);
        assert.match(JSON.stringify(sentTo(upstream)), /Look\.\\n\[(An image|A recording) is left out/);
      }
    });
  }

  test('is a 400 for strict servers, wherever it is', async () => {
    await using upstream = await ollamaWith({ m: undefined });
    await using gateway = await testGateway(upstream, { strict: true });
    const messages = [said('user', [unusable[0]?.[1]]), said('assistant', 'Hm.'), said('user', 'Go on.')];
    const response = await gateway.chat({ model: 'm', messages });
    assert.equal(response.status, 400);
  });
});

suite('images by URL', () => {
  test('beyond the limit are left out, the oldest first', async () => {
    await using upstream = await ollamaWith({ m: ['vision'] });
    await using site = await fakeUpstream((res) => void res.end(Buffer.from(png, 'base64')));
    const images = { fetch: true, count: 1, allow: ['127.0.0.1/32'], ports: [Number(new URL(site.url).port)] };
    await using gateway = await testGateway(upstream, { images });
    const image = { type: 'image_url', image_url: { url: `${site.url}/a.png` } };
    const messages = [said('user', [image]), said('assistant', 'Hm.'), said('user', [image])];
    const response = await gateway.chat({ model: 'm', messages });
    assert.equal(response.status, 200, await response.text());
    assert.deepEqual(sentTo(upstream), [
      { role: 'user', content: '[An image is left out: there are too many.]' },
      { role: 'assistant', content: 'Hm.' },
      { role: 'user', content: '', images: [png] },
    ]);
    assert.equal(site.requests.length, 1);
  });
});

suite('a recording', () => {
  test('reaches a model that takes audio, and one whose abilities are not known', async () => {
    await using upstream = await ollamaWith({ hears: ['completion', 'audio'], unknown: undefined });
    await using gateway = await testGateway(upstream);
    for (const model of ['hears', 'unknown']) {
      const response = await gateway.chat({
        model,
        messages: [said('user', [recording, { type: 'text', text: 'What?' }])],
      });
      assert.equal(response.status, 200, await response.text());
      assert.deepEqual(sentTo(upstream), [{ role: 'user', content: 'What?', images: ['UklGRgAAAABXQVZF'] }]);
      assert.equal(response.headers.get('x-llamaduct-dropped'), null);
    }
  });

  test('is refused with the names of the models that take it, and left out in earlier messages', async () => {
    await using upstream = await ollamaWith({ deaf: ['completion'], hears: ['audio'], other: ['audio'] });
    await using gateway = await testGateway(upstream);
    const refused = await gateway.chat({ model: 'deaf', messages: [said('user', [recording])] });
    const { error } = (await refused.json()) as { error: { message: string; param: string } };
    assert.deepEqual([refused.status, error.param], [400, 'messages[0].content[0].input_audio.data']);
    assert.match(error.message, /does not take audio\. These do: hears:latest, other:latest\./);
    const messages = [said('user', [recording]), said('assistant', 'Hm.'), said('user', 'Go on.')];
    const response = await gateway.chat({ model: 'deaf', messages });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'messages.content.input_audio');
    await response.text();
    assert.match(sentTo(upstream)[0]?.content ?? '', /does not take audio/);
  });

  test('is read from input_audio of the Responses API', async () => {
    await using upstream = await ollamaWith({ hears: ['completion', 'audio'] });
    await using gateway = await testGateway(upstream);
    const input = [said('user', [recording])];
    const body = JSON.stringify({ model: 'hears', input });
    const response = await gateway.fetch('/v1/responses', { method: 'POST', body });
    assert.equal(response.status, 200, await response.text());
    assert.deepEqual(sentTo(upstream)[0]?.images, ['UklGRgAAAABXQVZF']);
  });
});

suite('a PDF', () => {
  const file = { type: 'file', file: { filename: 'reed.pdf', file_data: `data:application/pdf;base64,${herons}` } };
  const inputFile = { type: 'input_file', filename: 'reed.pdf', file_data: herons };
  const document = {
    type: 'document',
    title: 'reed.pdf',
    source: { type: 'base64', media_type: 'application/pdf', data: herons },
  };
  const use = { type: 'tool_use', id: 't', name: 'read', input: {} };
  const requests: [path: string, field: string, body: object][] = [
    [
      '/v1/chat/completions',
      'messages.content.file',
      { messages: [said('user', [{ type: 'text', text: 'Sum:' }, file])] },
    ],
    [
      '/v1/messages',
      'messages.content.document',
      {
        max_tokens: 9,
        messages: [
          said('assistant', [use]),
          said('user', [{ type: 'tool_result', tool_use_id: 't', content: [document] }]),
        ],
      },
    ],
    ['/v1/responses', 'input.content.input_file', { input: [said('user', [inputFile])] }],
    [
      '/v1/responses',
      'input.output.input_file',
      { input: [{ type: 'function_call_output', call_id: 'c', output: [inputFile] }] },
    ],
  ];
  for (const [path, field, body] of requests) {
    test(`reaches the model as text if that is on, and is left out if not: ${field}`, async () => {
      await using upstream = await ollamaWith({ m: ['completion'] });
      for (const extract of [true, false]) {
        await using gateway = await testGateway(upstream, { documents: { extract } });
        const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model: 'm', ...body }) });
        assert.equal(response.status, 200, await response.text());
        assert.equal(response.headers.get('x-llamaduct-dropped'), extract ? null : field);
        const expected = extract
          ? 'reed.pdf\nHerons stand in the reed.'
          : '"reed.pdf" is left out: PDFs are not read here.';
        assert.ok(sentTo(upstream).at(-1)?.content.includes(expected));
      }
    });
  }

  test('beyond the limit is left out, the oldest first', async () => {
    await using upstream = await ollamaWith({ m: ['completion'] });
    await using gateway = await testGateway(upstream, { documents: { extract: true, count: 1 } });
    const messages = [said('user', [file]), said('assistant', 'Hm.'), said('user', [file])];
    const response = await gateway.chat({ model: 'm', messages });
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'messages.content.file', await response.text());
    const [first, , last] = sentTo(upstream);
    assert.match(first?.content ?? '', /left out/);
    assert.match(last?.content ?? '', /Herons stand/);
  });

  test('counts with its text against the memory for bodies', async () => {
    await using upstream = await ollamaWith({ m: ['completion'] });
    await using gateway = await testGateway(upstream, {
      documents: { extract: true },
      limits: { body: '64KiB', bodies_total: '128KiB' },
    });
    const statuses: number[] = [];
    for (const sentences of [8000, 80]) {
      const packed = packedPdfOf(
        Buffer.from(`BT /F1 12 Tf 50 700 Td ${'(Herons stand.) Tj 0 0 Td '.repeat(sentences)} ET`),
      );
      const file_data = `data:application/pdf;base64,${packed.toString('base64')}`;
      const response = await gateway.chat({
        model: 'm',
        messages: [said('user', [{ type: 'file', file: { file_data } }])],
      });
      await response.text();
      statuses.push(response.status);
    }
    assert.deepEqual(statuses, [503, 200]);
  });

  test('without text, or that cannot be read, is left out', async () => {
    await using upstream = await ollamaWith({ m: ['completion'] });
    await using gateway = await testGateway(upstream, { documents: { extract: true } });
    for (const bytes of [pdfOf(''), Buffer.from('%PDF-1.4 and then nothing')]) {
      const file_data = `data:application/pdf;base64,${bytes.toString('base64')}`;
      const messages = [said('user', [{ type: 'file', file: { filename: 'a: b.pdf', file_data } }])];
      const response = await gateway.chat({ model: 'm', messages });
      assert.equal(response.headers.get('x-llamaduct-dropped'), 'messages.content.file', await response.text());
      assert.equal(
        sentTo(upstream)[0]?.content,
        '[The file "a: b.pdf" is left out: no text could be extracted from it.]',
      );
    }
  });
});

test('images of a tool and of an earlier answer reach the model in a message of the user', async () => {
  await using upstream = await ollamaWith({ m: ['completion', 'vision'] });
  await using gateway = await testGateway(upstream);
  const image = { type: 'input_image', image_url: `data:image/png;base64,${png}` };
  const source = { type: 'base64', media_type: 'image/png', data: png };
  const requests: [path: string, body: object][] = [
    ['/v1/chat/completions', { messages: [{ role: 'tool', tool_call_id: 'c', content: [picture] }] }],
    ['/v1/responses', { input: [{ type: 'function_call_output', call_id: 'c', output: [image] }] }],
    [
      '/v1/messages',
      {
        max_tokens: 9,
        messages: [said('user', [{ type: 'tool_result', tool_use_id: 'c', content: [{ type: 'image', source }] }])],
      },
    ],
  ];
  for (const [path, body] of requests) {
    const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model: 'm', ...body }) });
    assert.equal(response.status, 200, await response.text());
    assert.deepEqual(sentTo(upstream).slice(-1), [{ role: 'user', content: '', images: [png] }]);
  }
});
