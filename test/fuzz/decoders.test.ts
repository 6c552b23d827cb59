import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { ChatEvent, TokenLogprob } from '../../src/chat/event.ts';
import type { TotalUsage } from '../../src/chat/stream.ts';
import { GatewayError, asGatewayError } from '../../src/errors.ts';
import { isObject } from '../../src/framing/json.ts';
import { Translator } from '../../src/streaming/translator.ts';
import { backends } from '../../src/upstreams/index.ts';
import { dialects } from '../conformance/replay.ts';
import { sentOf } from '../helpers/sent.ts';
import { readEvents } from './frames.ts';
import { mutated, mutation, polluted, textOf } from './mutate.ts';
import { check } from './settings.ts';
import { type Pieces, pieces } from './streams.ts';

/** More than any case has: what is too long is tried apart. */
const maxLineBytes = 1024 * 1024;

function isCount(value: unknown): boolean {
  return value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0);
}

function checkTotal({ usage, timings }: TotalUsage): void {
  for (const value of [...Object.values(usage), ...Object.values(timings)]) assert.ok(isCount(value), `${value}`);
  assert.ok(typeof usage.inputTokens === 'number' && typeof usage.outputTokens === 'number');
}

function checkLogprob({ token, logprob, bytes }: Omit<TokenLogprob, 'top_logprobs'>): void {
  assert.equal(typeof token, 'string');
  assert.ok(Number.isFinite(logprob));
  assert.ok(bytes === null || (Array.isArray(bytes) && bytes.every((byte) => typeof byte === 'number')));
}

/** Hears events, and fails at the first that may not come then, or is not what its type says. */
function strict(): { readonly hear: (event: ChatEvent) => void; readonly seen: ChatEvent[] } {
  const seen: ChatEvent[] = [];
  const ids = new Set<string>();
  const hear = (event: ChatEvent): void => {
    assert.ok(!seen.some(({ type }) => type === 'finish'), 'something after the end');
    seen.push(event);
    switch (event.type) {
      case 'text':
        assert.equal(typeof event.text, 'string');
        assert.ok(event.text !== '' || event.logprobs !== undefined);
        for (const logprob of event.logprobs ?? []) {
          checkLogprob(logprob);
          for (const top of logprob.top_logprobs) checkLogprob(top);
        }
        return;
      case 'reasoning':
        assert.equal(typeof event.text, 'string');
        assert.notEqual(event.text, '');
        return;
      case 'tool-call':
        assert.ok(typeof event.id === 'string' && event.id !== '' && !ids.has(event.id));
        assert.ok(typeof event.name === 'string' && event.name !== '');
        assert.ok(isObject(JSON.parse(event.arguments)), event.arguments);
        ids.add(event.id);
        return;
      case 'finish':
        assert.ok(['stop', 'length', 'tool_calls', 'content_filter'].includes(event.reason));
        assert.ok(event.stopSequence === undefined || typeof event.stopSequence === 'string');
        checkTotal(event);
        return;
      default:
        event satisfies never;
    }
  };
  return { hear, seen };
}

/** @throws for what is no failure of an upstream */
function upstreamFault(thrown: unknown): void {
  if (!(thrown instanceof GatewayError)) throw thrown;
  assert.ok(thrown.fromUpstream || thrown.code === 'context_length_exceeded', thrown.code);
}

function decode({ kind, pieces: some }: Pieces): void {
  for (const { call } of dialects.slice(0, 1)) {
    const { hear, seen } = strict();
    const decoder = backends[kind].decoder(call.requests[0], hear, maxLineBytes);
    try {
      for (const piece of some) decoder.push(piece);
      decoder.end();
      assert.equal(seen.at(-1)?.type, 'finish');
    } catch (thrown) {
      upstreamFault(thrown);
      assert.ok(
        seen.every(({ type }) => type !== 'finish'),
        'an error after the end',
      );
    }
  }
  assert.ok(!polluted());
}

function translate({ kind, pieces: some }: Pieces): void {
  for (const { call, head, name, protocol } of dialects) {
    const translator = new Translator(
      [(emit) => backends[kind].decoder(call.requests[0], emit, maxLineBytes)],
      call.encoder(head),
    );
    const sent = [...sentOf(translator, some)];
    assert.ok(translator.ended, name);
    if (translator.error !== undefined) upstreamFault(translator.error);
    readEvents(Buffer.concat(sent).toString(), protocol.contentType);
  }
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function held(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

suite('fuzz: what upstreams send', () => {
  test('a decoder gives events in their order, and an error of the upstream or the end', async () => {
    await check(0.2, fc.property(pieces, decode));
  });

  test('what every dialect makes of it can be read', async () => {
    await check(0.08, fc.property(pieces, translate));
  });

  test('however it is cut, it is the same', async () => {
    const outcome = ({ kind, pieces: some }: Pieces): unknown[] => {
      const seen: unknown[] = [];
      const [dialect] = dialects;
      assert.ok(dialect);
      const decoder = backends[kind].decoder(dialect.call.requests[0], (event) => seen.push(event), maxLineBytes);
      try {
        for (const piece of some) decoder.push(piece);
        decoder.end();
      } catch (thrown) {
        seen.push(asGatewayError(thrown).code);
      }
      // Ids are made up where there are none.
      return seen.map((event) => (isObject(event) && event['type'] === 'tool-call' ? { ...event, id: '' } : event));
    };
    await check(
      0.05,
      fc.property(pieces, (some) => {
        const whole = Buffer.concat(some.pieces);
        assert.deepEqual(outcome(some), outcome({ ...some, pieces: [whole] }));
        if (whole.length > 4000) return;
        const bytes = Array.from(whole, (_, index) => whole.subarray(index, index + 1));
        assert.deepEqual(outcome(some), outcome({ ...some, pieces: bytes }));
      }),
    );
  });

  test('what never ends is given up, and nothing of it is kept', async () => {
    const limit = 64 * 1024;
    // The parser of SSE keeps a line of one character in some forty times the room.
    const most = 64 * limit;
    const endless = [
      '{"message":{"content":"',
      'data: ',
      'data: x\n',
      'event: x\n',
      ': ',
      '{',
      'x',
      '\n',
      'x: y\n',
      'error: ',
    ];
    const cases = fc.tuple(
      fc.constantFrom('ollama' as const, 'openai' as const),
      fc.constantFrom(...endless),
      fc.constantFrom('x', '\n', ' ', '\r', ':', 'data: x\n', '\u00ff'),
      fc.integer({ min: 1, max: 64 * 1024 }),
    );
    await check(
      0.0005,
      fc.property(cases, ([kind, start, unit, size]) => {
        const [dialect] = dialects;
        assert.ok(dialect);
        const decoder = backends[kind].decoder(dialect.call.requests[0], () => undefined, limit);
        const tap = backends[kind].observer();
        const piece = Buffer.alloc(size, unit);
        let given = 0;
        let givenUp = false;
        collect();
        const before = held();
        try {
          decoder.push(Buffer.from(start));
          tap.push(Buffer.from(start));
          for (; given < 2 * most; given += Math.max(size, 64)) {
            tap.push(piece);
            decoder.push(piece);
          }
        } catch (thrown) {
          upstreamFault(thrown);
          givenUp = true;
        }
        // What is nothing to keep, comments and blank lines, may go on.
        collect();
        assert.ok(held() - before < most, `${held() - before} bytes are kept of ${given}`);
        assert.ok(tap.end());
        if (!givenUp) assert.throws(() => decoder.end(), GatewayError);
      }),
    );
  });

  test('a tap takes anything, and counts only what can be counted', async () => {
    await check(
      0.1,
      fc.property(pieces, ({ kind, pieces: some }) => {
        const tap = backends[kind].observer();
        for (const piece of some) tap.push(piece);
        const { outcome, finish } = tap.end();
        assert.ok(['complete', 'failed', 'incomplete'].includes(outcome));
        if (finish !== undefined) checkTotal(finish);
        assert.ok(!polluted());
      }),
    );
  });

  test('embeddings, lists and details are read, or are the fault of the upstream', async () => {
    const vectors = {
      ollama: {
        embeddings: [
          [0.5, -1],
          [1, 2],
        ],
        prompt_eval_count: 5,
        total_duration: 9,
        load_duration: 1,
      },
      openai: {
        data: [
          { index: 1, embedding: [0.5, -1] },
          { index: 0, embedding: [1, 2] },
        ],
        usage: { prompt_tokens: 5 },
      },
    };
    const lists = {
      ollama: {
        models: [{ name: 'm:latest', model: 'm:latest', modified_at: '2026-11-21T03:56:00Z', context_length: 4096 }],
      },
      openai: { data: [{ id: 'm', created: 1, capabilities: ['vision'], max_model_len: 5, meta: { n_ctx_train: 9 } }] },
    };
    const details = {
      capabilities: ['vision'],
      model_info: { 'general.architecture': 'llama', 'llama.context_length': 4096 },
    };
    const cases = fc.tuple(fc.constantFrom('ollama' as const, 'openai' as const), fc.array(mutation, { maxLength: 3 }));
    const tried = (step: () => void): void => {
      try {
        step();
      } catch (thrown) {
        upstreamFault(thrown);
      }
    };
    await check(
      0.1,
      fc.property(cases, ([kind, mutations]) => {
        const backend = backends[kind];
        const sent = (base: object): unknown => JSON.parse(textOf(mutated(base, mutations)));
        tried(() => {
          const read = backend.embeddings({ model: 'm', input: ['one', 'two'] }).read(sent(vectors[kind]));
          assert.equal(read.vectors.length, 2);
          for (const vector of read.vectors) assert.ok(vector.length > 0 && vector.every(Number.isFinite));
          checkTotal(read);
        });
        tried(() => {
          for (const { name, modified } of backend.models.read(sent(lists[kind]))) {
            assert.equal(typeof name, 'string');
            assert.ok(Number.isFinite(modified));
          }
        });
        tried(() => void backend.loaded?.read(sent(lists[kind])));
        tried(() => assert.ok(isCount(backend.contextLength?.('m').read(sent(lists[kind])))));
        tried(() => assert.ok(isCount(backend.details?.('m').read(sent(details)).contextLength)));
        assert.ok(!polluted());
      }),
    );
  });

  test('a refusal of any shape is an error that can be told', async () => {
    const shapes = [
      { error: 'it broke' },
      { error: { message: 'it broke', type: 't', code: 'c', param: 'p' } },
      { object: 'error', message: 'm' },
      { detail: [{ loc: ['body', 'n'], msg: 'm' }] },
    ];
    const text = fc.oneof(
      fc
        .tuple(fc.constantFrom(...shapes), fc.array(mutation, { maxLength: 3 }))
        .map(([shape, mutations]) => textOf(mutated(shape, mutations))),
      fc.string({ unit: 'binary' }),
    );
    await check(
      0.05,
      fc.property(
        fc.constantFrom('ollama' as const, 'openai' as const),
        fc.integer({ min: 201, max: 599 }),
        text,
        (kind, status, body) => {
          for (const error of [backends[kind].error(status, body), backends[kind].embeddingsError(status, body)]) {
            assert.ok(error instanceof GatewayError);
            assert.ok(error.status >= 400 && error.status < 600);
            assert.ok(error.message.length > 0 && error.message.length <= 1000);
          }
        },
      ),
    );
  });
});
