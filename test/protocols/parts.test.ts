import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { DroppedFields } from '../../src/protocols/dropped-fields.ts';
import { type Content, textOf } from '../../src/protocols/part.ts';
import { readParts } from '../../src/protocols/parts.ts';
import { ToolCallReader } from '../../src/protocols/tool-calls.ts';

const png = 'iVBORw0KGgoAAAANSUhEUgAA';
const wav = Buffer.from('RIFF\0\0\0\0WAVEfmt ', 'latin1').toString('base64');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

function read(value: unknown, calls?: ToolCallReader): Content & { readonly dropped: readonly string[] } {
  const dropped = new DroppedFields();
  const content = readParts(value, 'messages[0].content', { prefix: 'messages.content.', dropped, calls });
  return { ...content, dropped: [...dropped.names] };
}

suite('the parts of a content', () => {
  const texts: [part: unknown, text: string][] = [
    [null, ''],
    [[], ''],
    ['a', 'a'],
    [7, '7'],
    [['a', null, { text: 'b' }], 'a\nb'],
    [{ type: 'text', text: 'a' }, 'a'],
    [{ type: 'text' }, ''],
    [{ type: 'text', text: { value: 'a', annotations: [] } }, 'a'],
    [{ type: 'input_text', text: 'a' }, 'a'],
    [{ type: 'output_text', text: 'a' }, 'a'],
    [{ type: 'refusal', refusal: 'a' }, 'a'],
    [{ type: 'search_result', title: 'a', source: 'b', content: [{ type: 'text', text: 'c' }] }, 'a\nb\nc'],
    [{ type: 'search_result' }, ''],
    [{ type: 'text-plain', text: 'a', mime_type: 'text/plain' }, 'a'],
    [{ type: 'file', base64: base64('a'), mime_type: 'text/plain' }, 'a'],
    [{ type: 'file', url: `data:text/plain;base64,${base64('a')}` }, 'a'],
    [{ type: 'tool_result', content: [{ type: 'text', text: 'a' }] }, 'a'],
    [{ type: 'compaction', content: 'What happened so far.' }, 'What happened so far.'],
    [{ type: 'resource', resource: { uri: 'file:///a.txt', text: 'b' } }, 'file:///a.txt\nb'],
    [{ type: 'document', source: { type: 'text', data: 'c' }, title: 'a', context: 'b' }, 'a\nb\nc'],
    [{ type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'a' }] } }, 'a'],
    [
      { type: 'file', file: { filename: 'a.md', file_data: `data:text/markdown;base64,${base64('# b')}` } },
      'a.md\n# b',
    ],
    [{ type: 'file', file: { filename: 'a.md', file_data: base64('# b') } }, 'a.md\n# b'],
    [{ type: 'file', data: base64('{"b":1}'), mediaType: 'application/json', filename: 'a.json' }, 'a.json\n{"b":1}'],
    [{ type: 'file', file: { file_data: 'data:text/plain,b%20c' } }, 'b c'],
    [{ type: 'input_file', filename: 'a', file_data: Buffer.from('\ufeffb', 'utf16le').toString('base64') }, 'a\nb'],
    [
      {
        type: 'input_file',
        filename: 'a',
        file_data: `data:text/plain;base64,${Buffer.from('é', 'latin1').toString('base64')}`,
      },
      'a\né',
    ],
    [{ type: 'input_file', filename: 'a.txt', file_url: `data:text/plain;base64,${base64('b')}` }, 'a.txt\nb'],
  ];
  for (const [part, text] of texts) {
    test(`${JSON.stringify([part]).slice(0, 90)} are a text`, () => {
      const content = read(part);
      assert.equal(textOf(content), text);
      assert.deepEqual(content.dropped, []);
    });
  }

  test('are the JSON of a result that is an object of its own', () => {
    assert.deepEqual(read({ temperature: 7 }).texts, ['{"temperature":7}']);
  });

  const images: object[] = [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
    { type: 'image_url', image_url: `data:image/png;base64,${png}` },
    { type: 'input_image', image_url: `data:image/png;base64,${png}` },
    { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: png } },
    { type: 'image', source: { type: 'url', url: `data:image/png;base64,${png}` } },
    { type: 'image', data: png, mimeType: 'image/png' },
    { type: 'image', image: png },
    { type: 'image', base64: png, mime_type: 'image/png' },
    { type: 'image', image: `data:image/png;base64,${png}` },
    { type: 'file', file: { filename: 'a.png', file_data: `data:image/png;base64,${png}` } },
    { type: 'resource', resource: { uri: 'a.png', blob: png } },
    { type: 'tool_result', content: [{ type: 'image', source: { type: 'base64', data: png } }] },
    {
      type: 'document',
      source: { type: 'content', content: [{ type: 'image', source: { type: 'base64', data: png } }] },
    },
  ];
  for (const part of images) {
    test(`${JSON.stringify(part).slice(0, 90)} are an image`, () => {
      assert.deepEqual(read([part]).images, [{ base64: png }]);
    });
  }

  test('keep the address of an image that is fetched later, and the fault of one that cannot be read', () => {
    const url = 'https://example.org/a.png';
    assert.deepEqual(read({ type: 'image', image: url }).images, [{ url, param: 'messages[0].content.image' }]);
    const faults: [part: object, param: string][] = [
      [{ type: 'image_url' }, 'image_url'],
      [{ type: 'image_url', image_url: { url: 'data:image/svg+xml,<svg/>' } }, 'image_url.url'],
      [{ type: 'input_image', file_id: 'file_1' }, 'file_id'],
      [{ type: 'image', source: { type: 'file', file_id: 'file_1' } }, 'source.type'],
      [{ type: 'image' }, 'source'],
    ];
    for (const [part, param] of faults) {
      const [image] = read([part]).images;
      assert.ok(image !== undefined && 'fault' in image);
      assert.equal(image.fault.param, `messages[0].content[0].${param}`);
    }
  });

  const recordings: [part: object, format: string][] = [
    [{ type: 'input_audio', input_audio: { data: wav, format: 'wav' } }, 'wav'],
    [{ type: 'input_audio', input_audio: { data: `data:audio/mpeg;base64,${wav}` } }, 'mp3'],
    [{ type: 'audio', data: wav, mimeType: 'audio/x-wav' }, 'wav'],
    [{ type: 'audio', base64: wav, mime_type: 'audio/flac' }, 'flac'],
    [{ type: 'audio', source: { type: 'base64', media_type: 'audio/wav', data: wav } }, 'wav'],
    [{ type: 'audio_url', audio_url: { url: `data:audio/ogg;base64,${wav}` } }, 'ogg'],
    [{ type: 'file', file: { file_data: `data:audio/flac;base64,${wav}` } }, 'flac'],
  ];
  for (const [part, format] of recordings) {
    test(`${JSON.stringify(part).slice(0, 90)} are a recording`, () => {
      assert.partialDeepStrictEqual(read([part]).audio, [{ base64: wav, format }]);
    });
  }

  test('keep the fault of a recording that cannot be read', () => {
    for (const data of [undefined, '', '%%%']) {
      const [audio] = read({ type: 'input_audio', input_audio: { data, format: 'wav' } }).audio;
      assert.ok(audio !== undefined && 'fault' in audio);
      assert.equal(audio.fault.param, 'messages[0].content.input_audio.data');
    }
  });

  const leftOut: [part: object, field: string, text: RegExp][] = [
    [{ type: 'file', file: { file_id: 'file-1' } }, 'file', /"file-1" is left out: uploaded files/],
    [
      { type: 'input_file', file_url: 'https://example.org/x/a.pdf?b#c' },
      'input_file',
      /"a.pdf" is left out: documents are not/,
    ],
    [
      { type: 'file', file: { filename: 'a.zip', file_data: base64('PK\u0003\u0004\0\0') } },
      'file',
      /"a.zip" .* not text/,
    ],
    [{ type: 'file', file: { filename: 'a', file_data: '%%%' } }, 'file', /"a" .* not valid base64/],
    [{ type: 'file' }, 'file', /The file is left out/],
    [{ type: 'document', source: { type: 'url', url: 'https://example.org' } }, 'document', /is left out/],
    [{ type: 'resource', resource: { uri: 'a' } }, 'resource', /"a" is left out: it is empty/],
    [{ type: 'hologram' }, 'hologram', /^\(left out: hologram\)$/],
    [{ type: 'redacted_thinking', data: 'x' }, 'redacted_thinking', /left out/],
    [{ type: 'thinking', thinking: 'x' }, 'thinking', /left out/],
    [{ type: 'tool_use', name: 'f' }, 'tool_use', /left out/],
    [{ type: 7 }, 'other', /left out/],
    [{ type: 'a b\n' }, 'other', /left out/],
    [{}, 'other', /left out/],
  ];
  for (const [part, field, text] of leftOut) {
    test(`${JSON.stringify(part).slice(0, 90)} are left out and named`, () => {
      const content = read([part]);
      assert.match(textOf(content), text);
      assert.deepEqual(content.dropped, [`messages.content.${field}`]);
    });
  }

  test('of the assistant have thinking and calls', () => {
    const content = [
      { type: 'thinking', thinking: 'a', signature: 's' },
      { type: 'reasoning', text: 'b' },
      { type: 'text', text: 'c' },
      { type: 'tool_use', id: 't', name: 'f', input: '{"a":1' },
    ];
    const { texts, thoughts, calls, dropped } = read(content, new ToolCallReader());
    assert.deepEqual([texts, thoughts, dropped], [['c'], ['a', 'b'], []]);
    assert.deepEqual(calls, [{ id: 't', name: 'f', arguments: { a: 1 } }]);
  });

  test('hold a PDF with the text that stands for it until it is read', () => {
    const file_data = `data:application/pdf;base64,${base64('%PDF-1.4')}`;
    const { documents, texts, dropped } = read([{ type: 'file', file: { filename: 'a.pdf', file_data } }]);
    const placeholder = '[The file "a.pdf" is left out: PDFs are not read here.]';
    assert.deepEqual(texts, [placeholder]);
    assert.deepEqual(documents, [
      { placeholder, name: 'a.pdf', base64: base64('%PDF-1.4'), field: 'messages.content.file' },
    ]);
    assert.deepEqual(dropped, []);
  });
});
