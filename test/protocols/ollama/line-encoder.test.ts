import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatEvent, FinishReason, Timings, Usage } from '../../../src/chat/event.ts';
import type { AnswerHead, GenerationCall, GenerationProtocol } from '../../../src/chat/protocol.ts';
import { Accumulator } from '../../../src/chat/accumulator.ts';
import { GatewayError } from '../../../src/errors.ts';
import { chat } from '../../../src/protocols/ollama/chat/index.ts';
import { generate } from '../../../src/protocols/ollama/generate/index.ts';
import { ollama } from '../../../src/upstreams/ollama/index.ts';
import { recording, recordings } from '../../helpers/recordings.ts';

const arrivedAt = Date.UTC(2026, 10, 21, 3, 56);
const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], prompt: 'hi' };

/** An answer's head with a clock that advances by a millisecond on every read. */
function ticking(model = 'm'): AnswerHead {
  let now = arrivedAt;
  return { id: 'req_1', created: arrivedAt / 1000, model, arrivedAt, now: () => (now += 1) };
}

function callOf(protocol: GenerationProtocol): GenerationCall {
  return protocol.read(body, '') as GenerationCall;
}

/** @returns the events of a recorded stream */
function eventsOf(bytes: Buffer): ChatEvent[] {
  const events: ChatEvent[] = [];
  const decoder = ollama.decoder(callOf(chat).requests[0], (event) => events.push(event), 1_000_000);
  decoder.push(bytes);
  decoder.end();
  return events;
}

function totalOf(events: readonly ChatEvent[]): { usage: Usage; timings: Timings } {
  const finish = events.find((event) => event.type === 'finish');
  assert.ok(finish);
  return finish;
}

function streamed(protocol: GenerationProtocol, events: readonly ChatEvent[], head = ticking()): string {
  const encoder = callOf(protocol).encoder(head);
  return events.map((event) => encoder.write(event, 0)).join('') + encoder.end(totalOf(events));
}

function notStreamed(protocol: GenerationProtocol, events: readonly ChatEvent[], head = ticking()): object {
  const accumulator = new Accumulator();
  for (const event of events) accumulator.add(event);
  assert.ok(accumulator.result);
  return callOf(protocol).respond([accumulator.result], totalOf(events), head);
}

type Line = Record<string, unknown>;

function linesOf(text: string): Line[] {
  assert.ok(text.endsWith('\n'));
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** @returns a line with its fields in order, without its times and without `context`, which only Ollama knows */
function timeless({ created_at: createdAt, total_duration: _total, context: _context, ...line }: Line): string {
  assert.match(String(createdAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  return JSON.stringify(line);
}

/** True for a recorded line without content, which need not be sent. */
function isEmpty({ message, response, thinking, done, logprobs }: Line): boolean {
  if (done !== false || logprobs !== undefined || thinking !== undefined) return false;
  return response === '' || JSON.stringify(message) === '{"role":"assistant","content":""}';
}

/** Without recordings of log probabilities for thinking or calls: events have only those of text. */
const comparable = [
  'ollama-0.17.4/chat-plain-stream',
  'ollama-0.17.4/chat-utf8-stream',
  'ollama-0.17.4/chat-think-true-stream',
  'ollama-0.17.4/chat-think-length-stream',
  'ollama-0.17.4/chat-tools-tool-stream',
  'ollama-0.17.4/chat-tools-tool2-stream',
  'ollama-0.17.4/chat-tools-thinktool-stream',
  'ollama-0.17.4/chat-logprobs-stream',
  'ollama-0.17.4/chat-logprobs-top-stream',
  'ollama-0.17.4/chat-num-predict-5-stream',
  'ollama-0.17.4/generate-plain-stream',
  'ollama-0.17.4/generate-think-stream',
  'ollama-0.17.4/generate-logprobs-stream',
  'ollama-0.17.4/generate-raw-stream',
  'ollama-0.17.4/generate-suffix-stream',
];

suite('LineEncoder writes the same lines as Ollama', () => {
  for (const name of comparable) {
    test(name, () => {
      const { body: recorded, path } = recording(name);
      const theirs = linesOf(recorded.toString('utf8'));
      const protocol = path === generate.path ? generate : chat;
      const ours = linesOf(streamed(protocol, eventsOf(recorded), ticking(String(theirs[0]?.['model']))));
      assert.deepEqual(ours.map(timeless), theirs.filter((line) => !isEmpty(line)).map(timeless));
    });
  }
});

suite("an answer that is not streamed is the same as Ollama's", () => {
  const names = 'chat-plain chat-think-true chat-think-length generate-plain generate-think generate-raw'.split(' ');
  for (const name of names) {
    test(name, () => {
      const theirs = JSON.parse(recording(`ollama-0.17.4/${name}`).body.toString('utf8')) as Line;
      const protocol = name.startsWith('generate') ? generate : chat;
      // An answer that is not streamed can be decoded as a stream of one line.
      const events = eventsOf(recording(`ollama-0.17.4/${name}`).body);
      const ours = notStreamed(protocol, events, ticking(String(theirs['model'])));
      assert.equal(timeless(ours as Line), timeless(theirs));
    });
  }
});

test('every recorded stream with a complete answer ends in exactly one done line', () => {
  let seen = 0;
  for (const { body: recorded, name, path } of recordings(/^(chat|generate)-.*-stream$/)) {
    if (!recorded.includes('"done":true')) continue;
    seen += 1;
    const protocol = path === generate.path ? generate : chat;
    const lines = linesOf(streamed(protocol, eventsOf(recorded)));
    assert.deepEqual([lines.filter(({ done }) => done === true).length, lines.at(-1)?.['done']], [1, true], name);
  }
  assert.ok(seen > 50);
});

const noTimings: Timings = {};
const none: Usage = { inputTokens: 0, outputTokens: 0 };

function finish(reason: FinishReason = 'stop', usage = none, timings = noTimings): ChatEvent {
  return { type: 'finish', reason, usage, timings };
}

function last(events: readonly ChatEvent[]): Line {
  return linesOf(streamed(chat, events)).at(-1) ?? assert.fail();
}

suite('the last line of an answer', () => {
  test('has the measured times, and leaves out unknown ones', () => {
    const text = { type: 'text', text: 'a' } as const;
    const line = last([text, text, finish('stop', { inputTokens: 3, outputTokens: 2 })]);
    assert.deepEqual(line, {
      model: 'm',
      created_at: '2026-11-21T03:56:00.003Z',
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      // The clock was first read for the first text, and last for the counts.
      total_duration: 4_000_000,
      prompt_eval_count: 3,
      eval_count: 2,
      eval_duration: 3_000_000,
    });
  });

  test("has the backend's own times instead of measured ones", () => {
    const timings = { load: 0.5, promptEval: 0.25, eval: 0.000000001, total: 99 };
    const line = last([{ type: 'text', text: 'a' }, finish('stop', none, timings)]);
    assert.equal(line['load_duration'], 500_000_000);
    assert.equal(line['prompt_eval_duration'], 250_000_000);
    assert.equal(line['eval_duration'], 1);
    assert.equal(line['total_duration'], 3_000_000);
  });

  test('has no eval_duration when the answer was not streamed and the backend did not report it', () => {
    assert.deepEqual(notStreamed(chat, [{ type: 'text', text: 'a' }, finish('length')]), {
      model: 'm',
      created_at: '2026-11-21T03:56:00.001Z',
      message: { role: 'assistant', content: 'a' },
      done: true,
      done_reason: 'length',
      total_duration: 2_000_000,
    });
  });

  const reasons: [FinishReason, string][] = [
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool_calls', 'stop'],
    ['content_filter', 'stop'],
  ];
  for (const [reason, doneReason] of reasons) {
    test(`has done_reason ${doneReason} for ${reason}`, () =>
      assert.equal(last([finish(reason)])['done_reason'], doneReason));
  }

  test('is an error with a text when the answer broke, and no done line follows', () => {
    const encoder = callOf(chat).encoder(ticking());
    const text =
      encoder.write({ type: 'text', text: 'a' }, 0) + encoder.fail(new GatewayError('upstream_error', 'No.'));
    const [first, second, ...more] = linesOf(text);
    assert.equal(first?.['done'], false);
    assert.deepEqual(second, { error: 'No.' });
    assert.deepEqual(more, []);
  });
});

suite('a tool call', () => {
  const call = (args: string): ChatEvent => ({ type: 'tool-call', id: 'call_1', name: 'f', arguments: args });

  test('keeps every digit of its arguments, and stays on one line', () => {
    const text = streamed(chat, [call('{\n  "n": 9007199254740993,\n  "x": 1.10\n}'), finish('tool_calls')]);
    assert.equal(text.split('\n').length, 3);
    assert.ok(text.includes('"function":{"index":0,"name":"f","arguments":{"n":9007199254740993,"x":1.10}}'), text);
    const answer = JSON.stringify(notStreamed(chat, [call('{"n":9007199254740993}'), finish('tool_calls')]));
    assert.ok(answer.includes('"arguments":{"n":9007199254740993}'), answer);
  });

  test('has its index in the answer', () => {
    const lines = linesOf(streamed(chat, [call('{}'), call('{}'), finish('tool_calls')]));
    const indexes = lines.slice(0, 2).map(({ message }) => JSON.stringify(message).match(/"index":(\d)/)?.[1]);
    assert.deepEqual(indexes, ['0', '1']);
  });

  for (const args of ['{"city": "Seoul", "un', '[1]', '"text"', '']) {
    test(`has the arguments ${JSON.stringify(args)} as the text that they are`, () => {
      const expected = `"arguments":${JSON.stringify(args)}`;
      assert.ok(callOf(chat).encoder(ticking()).write(call(args), 0).includes(expected));
      assert.ok(JSON.stringify(notStreamed(chat, [call(args), finish('tool_calls')])).includes(expected));
    });
  }
});

test('texts and model names with quotes, controls, line separators and lone surrogates stay valid JSON', () => {
  const nasty = '"\\\n\u2028\u0000\ud800</script>🎉';
  const events: ChatEvent[] = [{ type: 'reasoning', text: nasty }, { type: 'text', text: nasty }, finish()];
  const [thinking, content] = linesOf(streamed(chat, events, ticking(nasty)));
  assert.deepEqual(thinking?.['message'], { role: 'assistant', content: '', thinking: nasty });
  assert.deepEqual(content?.['message'], { role: 'assistant', content: nasty });
  assert.equal(content?.['model'], nasty);
  const [first, second] = linesOf(streamed(generate, events));
  assert.deepEqual([first?.['response'], first?.['thinking'], second?.['response']], ['', nasty, nasty]);
});
