import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatEvent } from '../../src/chat/event.ts';
import { Accumulator } from '../../src/chat/accumulator.ts';
import type { ChatRequest } from '../../src/chat/request.ts';
import { GatewayError } from '../../src/errors.ts';
import { openai } from '../../src/upstreams/openai/index.ts';
import { recordings } from '../helpers/recordings.ts';

const request: ChatRequest = { kind: 'chat', model: 'm', sampling: {}, messages: [] };

function decode(chunks: readonly Buffer[], maxBytes = 1024 * 1024, chat = request): ChatEvent[] {
  const events: ChatEvent[] = [];
  const decoder = openai.decoder(chat, (event) => events.push(event), maxBytes);
  for (const chunk of chunks) decoder.push(chunk);
  decoder.end();
  return events;
}

const bytes = (text: string): Buffer => Buffer.from(text);
const singly = (whole: Buffer): Buffer[] => Array.from(whole, (_, at) => whole.subarray(at, at + 1));

/** The stream of these chunks. @param lineEnd of its lines */
function sse(chunks: readonly unknown[], { lineEnd = '\n', done = true } = {}): Buffer {
  const events = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}${lineEnd}${lineEnd}`);
  return bytes(events.join('') + (done ? `data: [DONE]${lineEnd}${lineEnd}` : ''));
}

const delta = (part: object, rest: object = {}): object => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: part, finish_reason: null, ...rest }],
});
const finish = (reason: string, rest: object = {}): object => delta({}, { finish_reason: reason, ...rest });
const call = (fragment: object): object => delta({ tool_calls: [fragment] });
const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const counts = { choices: [], usage };

const errorOf = (chunks: readonly Buffer[], ...rest: [number?, ChatRequest?]): GatewayError => {
  try {
    decode(chunks, ...rest);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error;
  }
  throw new Error('The decoder did not fail.');
};

/** The names and arguments of the tool calls in these chunks. Their ids must be unique. */
function calls(chunks: readonly unknown[]): [string, string][] {
  const events = decode([sse(chunks)]).filter((event) => event.type === 'tool-call');
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  assert.ok(events.every(({ id }) => id !== ''));
  return events.map(({ name, arguments: args }) => [name, args]);
}

/** Streams of several servers; each chunk is one event. */
const streams: Record<string, { chunks: object[]; events: ChatEvent[] }> = {
  'OpenAI: fragments of two calls, usage after the finish': {
    chunks: [
      delta({ role: 'assistant', content: null, refusal: null }),
      call({ index: 0, id: 'call_a', type: 'function', function: { name: 'get_weather', arguments: '' } }),
      call({ index: 0, function: { arguments: '{"city":"Zü' } }),
      call({ index: 0, function: { arguments: 'rich 🎉"}' } }),
      call({ index: 1, id: 'call_b', type: 'function', function: { name: 'get_time', arguments: '' } }),
      call({ index: 1, function: { arguments: '{}' } }),
      finish('tool_calls'),
      {
        choices: [],
        usage: {
          ...usage,
          prompt_tokens_details: { cached_tokens: 5 },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      },
    ],
    events: [
      { type: 'tool-call', id: 'call_a', name: 'get_weather', arguments: '{"city":"Zürich 🎉"}' },
      { type: 'tool-call', id: 'call_b', name: 'get_time', arguments: '{}' },
      {
        type: 'finish',
        reason: 'tool_calls',
        usage: { inputTokens: 7, outputTokens: 3, cachedTokens: 5, reasoningTokens: 2 },
        timings: {},
      },
    ],
  },
  'vLLM: reasoning, the stop sequence, usage in every chunk': {
    chunks: [
      { ...delta({ role: 'assistant', content: '' }), usage: { ...usage, completion_tokens: 0 } },
      { ...delta({ reasoning_content: 'Hm' }), usage: { ...usage, completion_tokens: 1 } },
      { ...delta({ reasoning: '.' }), usage: { ...usage, completion_tokens: 2 } },
      { ...delta({ content: 'Hi' }), usage: null },
      { ...finish('stop', { stop_reason: 'END' }), usage },
    ],
    events: [
      { type: 'reasoning', text: 'Hm' },
      { type: 'reasoning', text: '.' },
      { type: 'text', text: 'Hi' },
      {
        type: 'finish',
        reason: 'stop',
        stopSequence: 'END',
        usage: { inputTokens: 7, outputTokens: 3 },
        timings: {},
      },
    ],
  },
  'llama.cpp: timings, a refusal, counts in the last chunk': {
    chunks: [
      delta({ content: 'No' }),
      delta({ refusal: '!' }),
      finish('length', { stop_reason: 42 }),
      { choices: [], usage, timings: { prompt_n: 7, prompt_ms: 250, predicted_n: 3, predicted_ms: 1500 } },
    ],
    events: [
      { type: 'text', text: 'No' },
      { type: 'text', text: '!' },
      {
        type: 'finish',
        reason: 'length',
        usage: { inputTokens: 7, outputTokens: 3 },
        timings: { promptEval: 0.25, eval: 1.5 },
      },
    ],
  },
};

suite('OpenAiDecoder, content', () => {
  for (const [name, { chunks, events }] of Object.entries(streams)) {
    test(`reads ${name}, cut at every byte`, () => {
      for (const lineEnd of ['\n', '\r\n']) {
        const whole = sse(chunks, { lineEnd });
        assert.deepEqual(decode([whole]), events);
        assert.deepEqual(decode(singly(whole)), events);
        for (let at = 1; at < whole.length; at += 1) {
          assert.deepEqual(decode([whole.subarray(0, at), whole.subarray(at)]), events, `cut at ${at}`);
        }
      }
    });
  }

  test('ignores comments, pings and events without choices', () => {
    const answer = sse([delta({ content: 'a' }), finish('stop'), counts]).toString();
    const noisy = `: processing\n\nevent: ping\ndata: {"type":"ping"}\n\n${answer}`;
    assert.deepEqual(decode([bytes(noisy)]), decode([bytes(answer)]));
  });

  test('reads log probabilities of a chat, also of a token without text', () => {
    const token = { token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'b', logprob: -1 }] };
    const [first, second] = decode([
      sse([
        delta({ content: 'a' }, { logprobs: { content: [token] } }),
        delta({ content: '' }, { logprobs: { content: [{ token: '', logprob: 0 }] } }),
        finish('stop', { logprobs: { content: [] } }),
      ]),
    ]);
    const top = [{ token: 'b', logprob: -1, bytes: null }];
    assert.deepEqual(first, { type: 'text', text: 'a', logprobs: [{ ...token, top_logprobs: top }] });
    assert.deepEqual(second, {
      type: 'text',
      text: '',
      logprobs: [{ token: '', logprob: 0, bytes: null, top_logprobs: [] }],
    });
  });

  test('reads a stream of /completions with its form of log probabilities', () => {
    const logprobs = { tokens: ['Hi', '!'], token_logprobs: [-0.1, -0.2], top_logprobs: [{ Hi: -0.1 }, null] };
    const events = decode([
      sse([
        { object: 'text_completion', choices: [{ text: 'Hi!', index: 0, logprobs, finish_reason: null }] },
        { object: 'text_completion', choices: [{ text: '', index: 0, finish_reason: 'length' }], usage },
      ]),
    ]);
    assert.deepEqual(events, [
      {
        type: 'text',
        text: 'Hi!',
        logprobs: [
          { token: 'Hi', logprob: -0.1, bytes: null, top_logprobs: [{ token: 'Hi', logprob: -0.1, bytes: null }] },
          { token: '!', logprob: -0.2, bytes: null, top_logprobs: [] },
        ],
      },
      { type: 'finish', reason: 'length', usage: { inputTokens: 7, outputTokens: 3 }, timings: {} },
    ]);
  });

  test('reads a response that is not streamed', () => {
    const tools = [
      { id: '', type: 'function', function: { name: 'f', arguments: '' } },
      { id: '', type: 'function', function: { name: 'f', arguments: '' } },
    ];
    const message = { role: 'assistant', content: 'Hi', reasoning_content: 'Hm', tool_calls: tools };
    const body = { object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }], usage };
    for (const chunks of [[bytes(`\n${JSON.stringify(body, null, 2)}`)], singly(bytes(JSON.stringify(body)))]) {
      const events = decode(chunks);
      assert.deepEqual(
        events.map(({ type }) => type),
        ['reasoning', 'text', 'tool-call', 'tool-call', 'finish'],
      );
      assert.deepEqual(events.at(-1), {
        type: 'finish',
        reason: 'tool_calls',
        usage: { inputTokens: 7, outputTokens: 3 },
        timings: {},
      });
    }
  });
});

suite('OpenAiDecoder, fragments of tool calls', () => {
  const f = (index: number | undefined, id: string | undefined, name: string | undefined, args?: unknown): object =>
    call({ index, id, function: { name, arguments: args } });
  const cases: Record<string, { fragments: object[]; whole: [string, string][] }> = {
    'two interleaved calls': {
      fragments: [
        f(0, 'a', 'one', ''),
        f(1, 'b', 'two', '{"x":'),
        f(0, undefined, undefined, '{"y":[1'),
        f(1, undefined, undefined, '1}'),
        f(0, undefined, undefined, ',2]}'),
      ],
      whole: [
        ['one', '{"y":[1,2]}'],
        ['two', '{"x":1}'],
      ],
    },
    'no index, name and id repeated': {
      fragments: [f(undefined, 'a', 'one', '{"x":'), f(undefined, 'a', 'one', '1}'), f(undefined, 'b', 'one', '{}')],
      whole: [
        ['one', '{"x":1}'],
        ['one', '{}'],
      ],
    },
    'no index and no ids, each complete': {
      fragments: [f(undefined, undefined, 'one', '{"x":1}'), f(undefined, undefined, 'one', '{"x":2}')],
      whole: [
        ['one', '{"x":1}'],
        ['one', '{"x":2}'],
      ],
    },
    'several calls with index 0': {
      fragments: [f(0, 'a', 'one', '{"x":"}"}'), f(0, 'b', 'one', '{"x":2}'), f(0, 'c', 'two', '')],
      whole: [
        ['one', '{"x":"}"}'],
        ['one', '{"x":2}'],
        ['two', '{}'],
      ],
    },
    'another id and the name in each fragment': {
      fragments: [f(0, 'a', 'one', '{"x":'), f(0, 'b', 'one', '{"y":1}'), f(0, 'c', 'one', '}'), f(0, 'd', 'one', '')],
      whole: [['one', '{"x":{"y":1}}']],
    },
    'arguments absent, null, blank, or the word null': {
      fragments: [f(0, 'a', 'one'), f(1, 'b', 'two', null), f(2, 'c', 'three', ' '), f(3, 'd', 'four', 'null')],
      whole: [
        ['one', '{}'],
        ['two', '{}'],
        ['three', '{}'],
        ['four', '{}'],
      ],
    },
    'the same id for two calls': {
      fragments: [f(0, 'a', 'one', '{}'), f(1, 'a', 'two', '{}')],
      whole: [
        ['one', '{}'],
        ['two', '{}'],
      ],
    },
    'a quote and a brace inside a string': {
      fragments: [f(0, 'a', 'one', '{"x":"\\"}'), f(0, undefined, undefined, '"}')],
      whole: [['one', '{"x":"\\"}"}']],
    },
  };
  for (const [name, { fragments, whole }] of Object.entries(cases)) {
    test(`assembles ${name}`, () => {
      assert.deepEqual(calls([...fragments, finish('tool_calls')]), whole);
    });
  }

  test('keeps every digit of arguments that are an object', () => {
    const text = '{"n":9007199254740993}';
    const chunk = JSON.stringify(call({ index: 0, id: 'a', function: { name: 'f', arguments: '?' } }));
    const stream = `data: ${chunk.replace('"?"', text)}\n\n${sse([finish('tool_calls')]).toString()}`;
    const [event] = decode([bytes(stream)]);
    assert.deepEqual(event, { type: 'tool-call', id: 'a', name: 'f', arguments: text });
  });

  test('emits a complete call when the next one begins', () => {
    const events: ChatEvent[] = [];
    const decoder = openai.decoder(request, (event) => events.push(event), 1024);
    decoder.push(sse([f(0, 'a', 'one', '{}')], { done: false }));
    assert.deepEqual(events, []);
    decoder.push(sse([f(1, 'b', 'two', '')], { done: false }));
    assert.deepEqual(events, [{ type: 'tool-call', id: 'a', name: 'one', arguments: '{}' }]);
  });

  test('reads the function_call of the older API as a tool call', () => {
    assert.deepEqual(
      calls([
        delta({ function_call: { name: 'f', arguments: '{"a"' } }),
        delta({ function_call: { arguments: ':1}' } }),
        finish('function_call'),
      ]),
      [['f', '{"a":1}']],
    );
  });

  test('leaves out an incomplete call of a response that was cut at its length, and keeps the finish reason', () => {
    const events = decode([sse([f(0, 'a', 'one', '{"x":1}'), f(1, 'b', 'two', '{"y":'), finish('length')])]);
    assert.deepEqual(
      events.map((event) => (event.type === 'finish' ? event.reason : event.type)),
      ['tool-call', 'length'],
    );
  });

  test('passes on arguments that are not an object as the text that they are', () => {
    for (const text of ['{"x":', '[1]', 'the reed by the pond', '"{}"']) {
      const calls = decode([sse([f(0, 'a', 'one', text), finish('tool_calls')])]).filter(
        (event) => event.type === 'tool-call',
      );
      assert.deepEqual(
        calls.map((call) => call.arguments),
        [text],
      );
    }
  });

  test('fails for a call without a name', () => {
    assert.equal(errorOf([sse([f(0, 'a', undefined, '{}'), finish('stop')])]).code, 'upstream_protocol_error');
  });

  test('fails for calls over the limit: one in many fragments, and many', () => {
    const one = Array.from({ length: 200 }, () => f(0, 'a', 'one', '          '));
    const many = Array.from({ length: 200 }, (_, index) => f(index, undefined, 'f', ''));
    for (const fragments of [one, many]) {
      const error = errorOf([sse([...fragments, finish('tool_calls')])], 1000);
      assert.equal(error.code, 'upstream_protocol_error');
      assert.match(error.message, /tool calls of the upstream are too long/);
    }
  });

  test('drops all calls but the first when parallel_tool_calls is false', () => {
    const two = sse([f(0, 'a', 'one', '{}'), f(1, 'b', 'two', '{}'), finish('tool_calls')]);
    const events = decode([two], 1024, { ...request, parallelToolCalls: false });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['tool-call', 'finish'],
    );
  });
});

suite('OpenAiDecoder, the end of a response', () => {
  const reasonOf = (given: string): string | undefined => {
    const last = decode([sse([delta({ content: 'a' }), finish(given)])]).at(-1);
    return last?.type === 'finish' ? last.reason : undefined;
  };

  test('translates finish reasons', () => {
    const reasons = ['stop', 'length', 'content_filter', 'max_tokens', 'eos', 'load', 'tool_calls'];
    assert.deepEqual(reasons.map(reasonOf), ['stop', 'length', 'content_filter', 'length', 'stop', 'stop', 'stop']);
    assert.equal(errorOf([sse([delta({ content: 'a' }), finish('abort')])]).code, 'upstream_incomplete');
  });

  test('is complete with a finish reason and no [DONE], but not with [DONE] alone', () => {
    const chunks = [delta({ content: 'a' }), finish('stop'), counts];
    assert.deepEqual(decode([sse(chunks, { done: false })]), decode([sse(chunks)]));
    assert.equal(errorOf([sse([delta({ content: 'a' }, { finish_reason: '' })])]).code, 'upstream_incomplete');
    assert.equal(errorOf([]).code, 'upstream_incomplete');
  });

  test('reports an event that was cut off as incomplete, not as a protocol error', () => {
    const whole = sse([delta({ content: 'a' }), delta({ content: 'b' })], { done: false });
    assert.equal(errorOf([whole.subarray(0, -20)]).code, 'upstream_incomplete');
  });

  test('ends once when [DONE] is the last event and its blank line is missing', () => {
    const cut = sse([delta({ content: 'a' }), finish('stop')])
      .toString()
      .trimEnd();
    for (const rest of ['', '\n', '\n\0\n', '\nretry: 5']) {
      assert.equal(decode([bytes(cut + rest)]).filter(({ type }) => type === 'finish').length, 1, JSON.stringify(rest));
    }
  });

  test('ignores everything after [DONE]', () => {
    const answer = sse([finish('stop')]);
    assert.equal(decode([answer, sse([delta({ content: 'more' })]), bytes('data: nonsense\n\n')]).length, 1);
  });
});

suite('OpenAiDecoder, errors in a stream', () => {
  const frames: Record<string, string> = {
    'an error object': 'data: {"error":{"message":"it broke","type":"server_error","code":500}}\n\n',
    'an error string': 'data: {"error":"it broke"}\n\n',
    'an error event with JSON': 'event: error\ndata: {"message":"it broke"}\n\n',
    'an error event with text': 'event: error\ndata: it broke\n\n',
    'an error field': 'error: {"code":500,"message":"it broke","type":"server_error"}\n\n',
    'an object of type error': 'data: {"object":"error","message":"it broke","type":"InternalServerError"}\n\n',
    'an error object instead of a stream': '{"error":{"message":"it broke"}}',
  };
  for (const [name, frame] of Object.entries(frames)) {
    test(`reads ${name}`, () => {
      const before = frame.startsWith('{') ? '' : sse([delta({ content: 'a' })], { done: false }).toString();
      const error = errorOf([bytes(before + frame)]);
      assert.deepEqual([error.code, error.message], ['upstream_error', 'it broke']);
    });
  }

  test('removes addresses and file paths from messages', () => {
    const { message } = errorOf([bytes('data: {"error":"dial tcp 10.0.0.7:8000: open /var/lib/models/x"}\n\n')]);
    assert.equal(message, 'dial tcp [address]: open [path]');
  });

  test('fails with upstream_protocol_error for events that are not chunks or too large', () => {
    for (const data of ['nonsense', '[1]', '{"choices":[{"delta":{"content":["a"]}}]}']) {
      assert.equal(errorOf([bytes(`data: ${data}\n\n`)]).code, 'upstream_protocol_error', data);
    }
    assert.equal(errorOf([sse([delta({ content: 'x'.repeat(2000) })])], 1000).code, 'upstream_protocol_error');
    assert.equal(errorOf([bytes(`{"a":"${'x'.repeat(2000)}"}`)], 1000).code, 'upstream_protocol_error');
  });
});

suite("OpenAiDecoder, recordings of Ollama's OpenAI API", () => {
  const broken = /repeat|broken-after-text|killed-runner|0\.33\/chat-badutf8/;
  for (const { name, body } of recordings(/-stream$/, ['v1-0.17.4', 'v1-0.33'])) {
    test(`reads ${name}, whole and byte by byte`, () => {
      if (broken.test(name)) {
        assert.equal(errorOf([body]).code, 'upstream_incomplete');
        return;
      }
      const events = decode([body]);
      assert.deepEqual(decode(singly(body)).map(withoutId), events.map(withoutId));
      const accumulator = new Accumulator();
      for (const event of events) accumulator.add(event);
      assert.deepEqual(accumulator.result?.text, textOf(body), 'the text of all chunks');
      assert.equal(accumulator.result?.finishReason === 'tool_calls', accumulator.result?.toolCalls.length !== 0);
    });
  }

  /** Ids are random when two calls have the same one. */
  function withoutId(event: ChatEvent): object {
    return event.type === 'tool-call' ? { ...event, id: '' } : event;
  }

  /** The text of all chunks, found without the decoder. */
  function textOf(body: Buffer): string {
    return Array.from(body.toString().matchAll(/"(?:content|text)":("(?:[^"\\]|\\.)*")/g), ([, text = '""']) =>
      String(JSON.parse(text)),
    ).join('');
  }
});
