import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ChatEvent, Emit } from '../../src/chat/event.ts';
import { stopAt } from '../../src/chat/filters/stop-sequences.ts';
import type { ChatRequest } from '../../src/chat/request.ts';
import { ChatCompletionEncoder } from '../../src/protocols/openai/chat-completions/encoder.ts';
import { Translator } from '../../src/streaming/translator.ts';
import { ollama } from '../../src/upstreams/ollama/index.ts';
import { tokenOfLine } from '../../src/upstreams/ollama/fast-path.ts';
import { recordings } from '../helpers/recordings.ts';
import { sentOf } from '../helpers/sent.ts';

/** The text of a line that has only text, by the full parser; undefined for all other lines. */
function parsedToken(line: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { message, done, model, created_at: created, ...rest } = value as Record<string, unknown>;
  const { role, content, ...more } = (message ?? {}) as Record<string, unknown>;
  const strings = [model, created, role, content].every((field) => typeof field === 'string');
  return strings && done === false && Object.keys({ ...rest, ...more }).length === 0 ? String(content) : undefined;
}

const lineOf = (content: string): string =>
  `{"model":"m:7b","created_at":"2026-11-21T12:00:00.123Z","message":{"role":"assistant","content":${content}},"done":false}`;

suite('tokenOfLine', () => {
  test('reads what the full parser reads, in every recorded line', () => {
    let seen = 0;
    for (const { body } of recordings(/^(chat|generate)-.*stream/)) {
      for (const line of body.toString().split('\n')) {
        const token = tokenOfLine(line);
        if (token === undefined) continue;
        seen += 1;
        assert.equal(token, parsedToken(line), line);
      }
    }
    assert.ok(seen > 1000, String(seen));
  });

  test('reads any text, however it is escaped', () => {
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

  test('refuses lines that are not JSON and lines that have more than text', () => {
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

  test('never reads anything else than the full parser, whatever a line consists of', () => {
    const part = fc.constantFrom(
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
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const line = lineOf(`"${parts.join('')}"`);
        const token = tokenOfLine(line);
        if (token !== undefined) assert.equal(token, parsedToken(line));
      }),
      { numRuns: 2_000 },
    );
  });
});

const request: ChatRequest = { kind: 'chat', model: 'm', messages: [], sampling: {} };
const head = { id: 'chatcmpl-1', created: 1, model: 'modèle 模型', arrivedAt: 0, now: () => 0 };
const maxLine = 1_000;

/**
 * Translates chunks for a client.
 *
 * @param through a stage between decoder and encoder
 * @returns the client's bytes, and how many times texts were passed on
 */
function sent(chunks: readonly Buffer[], through: (emit: Emit) => Emit = (emit) => emit): [Buffer, number] {
  let passedOn = 0;
  const counted = (emit: Emit): Emit => {
    const { verbatim } = emit;
    const take = (texts: string): void => {
      passedOn += 1;
      verbatim?.take(texts);
    };
    return verbatim === undefined
      ? emit
      : Object.assign((event: ChatEvent) => emit(event), { verbatim: { frame: () => verbatim.frame(), take } });
  };
  const translator = new Translator(
    [(emit) => ollama.decoder(request, counted(through(emit)), maxLine)],
    new ChatCompletionEncoder(head, true, {
      reasoningField: 'reasoning_content',
      usesFunctions: false,
      customTools: new Map(),
    }),
  );
  const bytes = Buffer.concat([...sentOf(translator, chunks)]);
  return [bytes, passedOn];
}

/** Ids of calls are random where the upstream sent none. */
function withoutIds(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/call_[0-9a-f]{24}/g, 'call_');
}

/** A stage that has to see each event. */
const everyEvent = (emit: Emit): Emit => {
  return (event) => emit(event);
};

suite('the fast path for texts', () => {
  const done = '{"model":"m:7b","message":{"role":"assistant","content":"!"},"done":true,"done_reason":"stop"}\n';

  test('is used for most of a response, and never when a stage has to see each event', () => {
    const chunks = ['" a"', '"é\\n"', '"\\u003c"', '"世"'].map((json) => Buffer.from(`${lineOf(json)}\n`));
    const [bytes, passedOn] = sent([...chunks, Buffer.from(done)]);
    assert.equal(passedOn, 3);
    assert.match(bytes.toString(), /"content":"é\\n".*"content":"<".*"content":"世".*"content":"!"/s);
    assert.equal(sent(chunks, everyEvent)[1], 0);
    assert.equal(sent(chunks, (emit) => stopAt(['x'], 1, emit, () => undefined))[1], 0);
    const refused: Emit = Object.assign(() => undefined, {
      verbatim: { frame: () => assert.fail('frame was called'), take: () => assert.fail('take was called') },
    });
    const forced = ollama.decoder({ ...request, tools: [{ name: 'f' }], toolChoice: 'required' }, refused, maxLine);
    for (const chunk of chunks) forced.push(chunk);
  });

  test('sends the same bytes as parsing and encoding each text, whatever lines there are and wherever they are cut', () => {
    const otherLines = [
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
      { weight: 1, arbitrary: fc.constantFrom(...otherLines).map((text) => Buffer.from(text)) },
      // Bytes that are not UTF-8.
      {
        weight: 1,
        arbitrary: fc.constantFrom('"\xff"', '"\xc3"').map((text) => Buffer.from(`${lineOf(text)}\n`, 'latin1')),
      },
    );
    let passedOn = 0;
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 4, maxLength: 16 }),
        fc.array(fc.nat(2_000), { maxLength: 4 }),
        (lines, cuts) => {
          const bytes = Buffer.concat(lines);
          const at = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b);
          const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
          const [fast, count] = sent(chunks);
          passedOn += count;
          assert.equal(withoutIds(fast), withoutIds(sent(chunks, everyEvent)[0]));
        },
      ),
      { numRuns: 2_000 },
    );
    assert.ok(passedOn > 500, String(passedOn));
  });
});
