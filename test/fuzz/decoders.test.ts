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
import { type CutStream, cutStreams } from './streams.ts';

/** More than any case needs: another test covers lines that are too long. */
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

/** @returns a listener that throws at the first event that is out of order or malformed, and the events so far */
function strictListener(): { readonly onEvent: (event: ChatEvent) => void; readonly seen: ChatEvent[] } {
  const seen: ChatEvent[] = [];
  const ids = new Set<string>();
  const onEvent = (event: ChatEvent): void => {
    assert.ok(!seen.some(({ type }) => type === 'finish'), 'an event after the finish event');
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
        assert.ok(typeof event.arguments === 'string' && event.arguments.trim() !== '');
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
  return { onEvent, seen };
}

/** Rethrows what is not an error of the upstream. */
function assertUpstreamError(thrown: unknown): void {
  if (!(thrown instanceof GatewayError)) throw thrown;
  assert.ok(thrown.fromUpstream || thrown.code === 'context_length_exceeded', thrown.code);
}

function decode({ kind, pieces }: CutStream): void {
  for (const { call } of dialects.slice(0, 1)) {
    const { onEvent, seen } = strictListener();
    const decoder = backends[kind].decoder(call.requests[0], onEvent, maxLineBytes);
    try {
      for (const piece of pieces) decoder.push(piece);
      decoder.end();
      assert.equal(seen.at(-1)?.type, 'finish');
    } catch (thrown) {
      assertUpstreamError(thrown);
      assert.ok(
        seen.every(({ type }) => type !== 'finish'),
        'an error after the finish event',
      );
    }
  }
  assert.ok(!polluted());
}

function translate({ kind, pieces }: CutStream): void {
  for (const { call, head, name, protocol } of dialects) {
    const translator = new Translator(
      [(emit) => backends[kind].decoder(call.requests[0], emit, maxLineBytes)],
      call.encoder(head),
    );
    const sent = [...sentOf(translator, pieces)];
    assert.ok(translator.ended, name);
    if (translator.error !== undefined) assertUpstreamError(translator.error);
    readEvents(Buffer.concat(sent).toString(), protocol.contentType);
  }
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** @returns bytes in use */
function bytesInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

suite('fuzz: upstream responses', () => {
  test('a decoder emits valid events in order, and then finishes or throws an upstream error', async () => {
    await check(0.2, fc.property(cutStreams, decode));
  });

  test('the translated stream is well-formed in every dialect', async () => {
    await check(0.08, fc.property(cutStreams, translate));
  });

  test('a decoder gives the same events however the bytes are cut', async () => {
    const outcome = ({ kind, pieces }: CutStream): unknown[] => {
      const seen: unknown[] = [];
      const [dialect] = dialects;
      assert.ok(dialect);
      const decoder = backends[kind].decoder(dialect.call.requests[0], (event) => seen.push(event), maxLineBytes);
      try {
        for (const piece of pieces) decoder.push(piece);
        decoder.end();
      } catch (thrown) {
        seen.push(asGatewayError(thrown).code);
      }
      // Missing ids are replaced by random ones.
      return seen.map((event) => (isObject(event) && event['type'] === 'tool-call' ? { ...event, id: '' } : event));
    };
    await check(
      0.05,
      fc.property(cutStreams, (stream) => {
        const whole = Buffer.concat(stream.pieces);
        assert.deepEqual(outcome(stream), outcome({ ...stream, pieces: [whole] }));
        if (whole.length > 4000) return;
        const bytes = Array.from(whole, (_, index) => whole.subarray(index, index + 1));
        assert.deepEqual(outcome(stream), outcome({ ...stream, pieces: bytes }));
      }),
    );
  });

  test('a record without end is rejected, and uses bounded memory', async () => {
    const limit = 64 * 1024;
    // The SSE parser needs some forty times the memory of a line with one character.
    const maxGrowth = 64 * limit;
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
        const observer = backends[kind].observer();
        const chunk = Buffer.alloc(size, unit);
        let pushed = 0;
        let rejected = false;
        collect();
        const before = bytesInUse();
        try {
          decoder.push(Buffer.from(start));
          observer.push(Buffer.from(start));
          for (; pushed < 2 * maxGrowth; pushed += Math.max(size, 64)) {
            observer.push(chunk);
            decoder.push(chunk);
          }
        } catch (thrown) {
          assertUpstreamError(thrown);
          rejected = true;
        }
        // Comments and blank lines need no memory, so that they may go on.
        collect();
        assert.ok(bytesInUse() - before < maxGrowth, `${bytesInUse() - before} bytes are in use after ${pushed}`);
        assert.ok(observer.end());
        if (!rejected) assert.throws(() => decoder.end(), GatewayError);
      }),
    );
  });

  test('a usage observer accepts any bytes, and reports only valid counts', async () => {
    await check(
      0.1,
      fc.property(cutStreams, ({ kind, pieces }) => {
        const observer = backends[kind].observer();
        for (const piece of pieces) observer.push(piece);
        const { outcome, finish } = observer.end();
        assert.ok(['complete', 'failed', 'incomplete'].includes(outcome));
        if (finish !== undefined) checkTotal(finish);
        assert.ok(!polluted());
      }),
    );
  });

  test('embeddings, lists and details are read, or are an error of the upstream', async () => {
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
    const attempt = (step: () => void): void => {
      try {
        step();
      } catch (thrown) {
        assertUpstreamError(thrown);
      }
    };
    await check(
      0.1,
      fc.property(cases, ([kind, mutations]) => {
        const backend = backends[kind];
        const sent = (base: object): unknown => JSON.parse(textOf(mutated(base, mutations)));
        attempt(() => {
          const read = backend.embeddings({ model: 'm', input: ['one', 'two'] }).read(sent(vectors[kind]));
          assert.equal(read.vectors.length, 2);
          for (const vector of read.vectors) assert.ok(vector.length > 0 && vector.every(Number.isFinite));
          checkTotal(read);
        });
        attempt(() => {
          for (const { name, modified } of backend.models.read(sent(lists[kind]))) {
            assert.equal(typeof name, 'string');
            assert.ok(Number.isFinite(modified));
          }
        });
        attempt(() => void backend.loaded?.read(sent(lists[kind])));
        attempt(() => assert.ok(isCount(backend.contextLength?.('m').read(sent(lists[kind])))));
        attempt(() => assert.ok(isCount(backend.details?.('m').read(sent(details)).contextLength)));
        assert.ok(!polluted());
      }),
    );
  });

  test('an error status with any body becomes an error with a message', async () => {
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
