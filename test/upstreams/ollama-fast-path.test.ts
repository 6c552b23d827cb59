import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Emit } from '../../src/chat/event.ts';
import { stopAt } from '../../src/chat/stop-sequences.ts';
import type { ChatRequest } from '../../src/chat/request.ts';
import { ChatCompletionEncoder } from '../../src/protocols/openai/chat-completions/encoder.ts';
import { Translator } from '../../src/streaming/translator.ts';
import { ollama } from '../../src/upstreams/ollama/index.ts';
import { tokenOfLine } from '../../src/upstreams/ollama/fast-path.ts';
import { recordings } from '../helpers/recordings.ts';
import { sentOf } from '../helpers/sent.ts';

/** What a line is that has a piece of text and nothing else, by the full parser; undefined for all others. */
function parsed(line: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { message, done, model, created_at: created, ...rest } = value as Record<string, unknown>;
  const { role, content, ...more } = (message ?? {}) as Record<string, unknown>;
  const strings = [model, created, role, content].every((one) => typeof one === 'string');
  return strings && done === false && Object.keys({ ...rest, ...more }).length === 0 ? String(content) : undefined;
}

const lineOf = (content: string): string =>
  `{"model":"m:7b","created_at":"2026-11-21T12:00:00.123Z","message":{"role":"assistant","content":${content}},"done":false}`;

suite('the text of a line that has nothing else', () => {
  test('is what the full parser reads, in every recorded line', () => {
    let seen = 0;
    for (const { body } of recordings(/^(chat|generate)-.*stream/)) {
      for (const line of body.toString().split('\n')) {
        const token = tokenOfLine(line);
        if (token === undefined) continue;
        seen += 1;
        assert.equal(token, parsed(line), line);
      }
    }
    assert.ok(seen > 1000, String(seen));
  });

  test('is any text, however it is escaped', () => {
    const escaped = (text: string): string =>
      text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        assert.equal(tokenOfLine(lineOf(JSON.stringify(text))), text);
        assert.equal(tokenOfLine(lineOf(`"${escaped(text)}"`)), text);
      }),
    );
    assert.equal(tokenOfLine(lineOf('"\\"\\\\\\/\\b\\f\\n\\r\\t"')), '"\\/\b\f\n\r\t');
  });

  test('is nothing of what is not JSON, and of what has more to say', () => {
    for (const content of [
      '"',
      '"\\"',
      '"a"b"',
      '"\n"',
      '"\u0000"',
      '"\\x"',
      '"\\u12g4"',
      '"a","images":[]',
      '5',
      'null',
      '{}',
    ]) {
      assert.equal(tokenOfLine(lineOf(content)), undefined, content);
    }
    for (const line of [
      lineOf('"a"').replace('false', 'true'),
      lineOf('"a"').replace('"assistant"', '"tool"'),
      lineOf('"a"').replace('"done":false', '"done":false,"error":"x"'),
      lineOf('"a"').replace('"content"', '"thinking":"b","content"'),
      lineOf('"a"').replace('m:7b', 'm\\"'),
      `${lineOf('"a"')} `,
      ` ${lineOf('"a"')}`,
      lineOf('"a"') + lineOf('"a"'),
      lineOf(JSON.stringify('x'.repeat(300_000))),
    ]) {
      assert.equal(tokenOfLine(line), undefined, line.slice(0, 200));
    }
  });

  test('is never another than that of the full parser, whatever a line is made of', () => {
    const piece = fc.constantFrom(
      '"',
      '\\',
      '{',
      '}',
      ',',
      ':',
      'a',
      '\\"',
      '"content":',
      '"done":false}',
      '\\u0041',
      '\n',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const line = lineOf(`"${pieces.join('')}"`);
        const token = tokenOfLine(line);
        if (token !== undefined) assert.equal(token, parsed(line));
      }),
      { numRuns: 2_000 },
    );
  });
});

const request: ChatRequest = { kind: 'chat', model: 'm', messages: [], sampling: {} };
const head = { id: 'chatcmpl-1', created: 1, model: 'modèle 模型', arrivedAt: 0, now: () => 0 };
const maxLine = 1_000;

/** What a client gets of pieces, and in how many of them texts were passed on. @param emit between decoder and encoder */
function sent(pieces: readonly Buffer[], through: (emit: Emit) => Emit = (emit) => emit): [Buffer, number] {
  const translator = new Translator(
    [(emit) => ollama.decoder(request, through(emit), maxLine)],
    new ChatCompletionEncoder(head, true, 'reasoning_content'),
  );
  let passed = 0;
  const out: Buffer[] = [];
  for (const bytes of sentOf(translator, pieces)) {
    out.push(bytes);
    if (translator.encoding === 'latin1') passed += 1;
  }
  return [Buffer.concat(out), passed];
}

/** Of calls without one. */
function withoutIds(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/call_[0-9a-f]{24}/g, 'call_');
}

/** Texts have to be looked at. */
const looking = (emit: Emit): Emit => {
  return (event) => emit(event);
};

suite('texts that are passed on as they are', () => {
  const done = '{"model":"m:7b","message":{"role":"assistant","content":"!"},"done":true,"done_reason":"stop"}\n';

  test('are most of an answer, and none where somebody has to look at them', () => {
    const pieces = ['" a"', '"é\\n"', '"\\u003c"', '"世"'].map((json) => Buffer.from(`${lineOf(json)}\n`));
    const [bytes, passed] = sent([...pieces, Buffer.from(done)]);
    assert.equal(passed, 3);
    assert.match(bytes.toString(), /"content":"é\\n".*"content":"<".*"content":"世".*"content":"!"/s);
    assert.equal(sent(pieces, looking)[1], 0);
    assert.equal(sent(pieces, (emit) => stopAt(['x'], 1, emit, () => undefined))[1], 0);
    const refused: Emit = Object.assign(() => undefined, {
      verbatim: { frame: () => assert.fail('it was asked'), take: () => assert.fail('it was passed on') },
    });
    const forced = ollama.decoder({ ...request, tools: [{ name: 'f' }], toolChoice: 'required' }, refused, maxLine);
    for (const piece of pieces) forced.push(piece);
  });

  test('are the same bytes as if they were parsed and written again, whatever else comes and however it is cut', () => {
    const odd = [
      '\n',
      ' \r\n',
      done,
      `${lineOf('"a"').replace('"content"', '"thinking":"b","content"')}\n`,
      `${lineOf('"a"').replace('}', ',"tool_calls":[{"function":{"name":"f","arguments":{}}}]}')}\n`,
      `${lineOf('"a"')} \n`,
      `${lineOf('"\\x"')}\n`,
      `${lineOf('"a"')}{}\n`,
      `${lineOf(`"${'x'.repeat(maxLine)}"`)}\n`,
      '{"error":"no"}\n',
      '{"model":',
    ];
    const json = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }).map((text) => JSON.stringify(text)),
      fc.constantFrom('""', '"\\u003c\\u00e9\\ud83c\\udf89\\ud800\\/\\\\u"', '"\u2028\\b\\f"'),
    );
    const line = fc.oneof(
      { weight: 12, arbitrary: json.map((text) => Buffer.from(`${lineOf(text)}\n`)) },
      { weight: 1, arbitrary: fc.constantFrom(...odd).map((text) => Buffer.from(text)) },
      // Bytes that are no UTF-8.
      {
        weight: 1,
        arbitrary: fc.constantFrom('"\xff"', '"\xc3"').map((text) => Buffer.from(`${lineOf(text)}\n`, 'latin1')),
      },
    );
    let passed = 0;
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 4, maxLength: 16 }),
        fc.array(fc.nat(2_000), { maxLength: 4 }),
        (lines, cuts) => {
          const bytes = Buffer.concat(lines);
          const at = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b);
          const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
          const [quick, times] = sent(pieces);
          passed += times;
          assert.equal(withoutIds(quick), withoutIds(sent(pieces, looking)[0]));
        },
      ),
      { numRuns: 2_000 },
    );
    assert.ok(passed > 500, String(passed));
  });
});
