import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { GatewayError } from '../../src/errors.ts';
import { readAll } from '../../src/http/request-body.ts';
import { type Chunk, MergedBodies } from '../../src/streaming/merged-bodies.ts';
import { UpstreamBody } from '../../src/upstreams/http/body.ts';

/** A body whose undici controller records what was called. */
function controlled(): { body: UpstreamBody; state: { paused: boolean; aborted: boolean } } {
  const state = { paused: false, aborted: false };
  const body = new UpstreamBody({
    get paused() {
      return state.paused;
    },
    get aborted() {
      return state.aborted;
    },
    reason: null,
    pause: () => {
      state.paused = true;
    },
    resume: () => {
      state.paused = false;
    },
    abort: () => {
      state.aborted = true;
    },
  });
  return { body, state };
}

const texts = (pieces: readonly Chunk[]): string[] =>
  pieces.map((piece) => (piece.type === 'bytes' ? Buffer.from(piece.bytes).toString() : piece.type));

suite('upstream bodies and their merging', () => {
  test('merged bodies pause a body that joins while they are paused, and pass on its bytes after resume', async () => {
    const [one, other] = [controlled(), controlled()];
    const joining = Promise.withResolvers<{ body: UpstreamBody }>();
    const source = new MergedBodies([Promise.resolve(one), joining.promise], () => undefined);
    const pieces: Chunk[] = [];
    await Promise.resolve();
    source.read((piece) => pieces.push(piece));
    one.body.enqueue(Buffer.from('a'));
    await turn();
    source.pause();
    assert.ok(one.state.paused);
    other.body.enqueue(Buffer.from('b'));
    joining.resolve(other);
    await turn();
    assert.ok(other.state.paused);
    assert.deepEqual(texts(pieces), ['a']);
    source.resume();
    assert.deepEqual([one.state.paused, other.state.paused], [false, false]);
    other.body.close();
    one.body.close();
    assert.deepEqual(texts(pieces), ['a', 'b', 'end', 'end']);
  });

  test('merged bodies pause all bodies when the reader pauses on the bytes of one', async () => {
    const both = [controlled(), controlled()] as const;
    const source = new MergedBodies(
      both.map((one) => Promise.resolve(one)),
      () => undefined,
    );
    const pieces: Chunk[] = [];
    await turn();
    const hear = (piece: Chunk): void => {
      pieces.push(piece);
      source.pause();
    };
    source.read(hear);
    for (const [round, text] of ['a', 'b', 'c'].entries()) {
      for (const { body } of both) body.enqueue(Buffer.from(text));
      await turn();
      assert.deepEqual(
        both.map(({ state }) => state.paused),
        [true, true],
      );
      // Each resume delivers the bytes of one body.
      for (let times = 0; times < 2; times += 1) source.resume();
      assert.equal(pieces.length, 2 * round + 2);
    }
  });

  test('a body passes on all bytes of one tick together, and its end after them', async () => {
    const { body } = controlled();
    const heard: string[] = [];
    body.read({
      data: (bytes, pieces) => heard.push(`${bytes.toString()} of ${pieces}`),
      end: () => heard.push('end'),
      error: ({ message }) => heard.push(message),
    });
    for (const text of ['a', 'b']) body.enqueue(Buffer.from(text));
    assert.deepEqual(heard, []);
    await turn();
    assert.deepEqual(heard, ['ab of 2']);
    for (const text of ['c', 'd']) body.enqueue(Buffer.from(text));
    body.close();
    assert.deepEqual(heard, ['ab of 2', 'cd of 2', 'end']);
    await turn();
    assert.deepEqual(heard, ['ab of 2', 'cd of 2', 'end']);
  });

  test('a body passes on no bytes of the tick in which it was destroyed', async () => {
    const { body, state } = controlled();
    const heard: Buffer[] = [];
    body.read({ data: (bytes) => heard.push(bytes), end: () => undefined, error: () => undefined });
    body.enqueue(Buffer.from('a'));
    body.destroy();
    await turn();
    assert.deepEqual([heard, state.aborted], [[], true]);
  });

  test('a body is aborted when its reader throws', async () => {
    const { body, state } = controlled();
    body.read({ data: () => assert.fail('a fault'), end: () => undefined, error: () => undefined });
    body.enqueue(Buffer.from('a'));
    await turn();
    assert.ok(state.aborted);
  });

  test('a body does not pass on an empty chunk', async () => {
    const { body } = controlled();
    const heard: Buffer[] = [];
    body.read({ data: (bytes) => heard.push(bytes), end: () => undefined, error: () => undefined });
    body.enqueue(Buffer.alloc(0));
    await turn();
    assert.deepEqual(heard, []);
  });

  test('merged bodies stop requesting missing bodies and close the others when they are cancelled', async () => {
    const one = controlled();
    const late = Promise.withResolvers<{ body: UpstreamBody }>();
    let givenUp = 0;
    const source = new MergedBodies(
      [Promise.resolve(one), late.promise],
      () => undefined,
      () => {
        givenUp += 1;
      },
    );
    const pieces: Chunk[] = [];
    source.read((piece) => pieces.push(piece));
    await Promise.resolve();
    source.close();
    source.close();
    assert.deepEqual([one.state.aborted, givenUp], [true, 1]);
    const another = controlled();
    late.resolve(another);
    await turn();
    assert.ok(another.state.aborted);
    assert.deepEqual(pieces, []);
  });
});

// undici parses one response at a time, and may be parsing another one.
test('a discarded body is read in a later tick, and aborted beyond a limit', async () => {
  const { body, state } = controlled();
  body.enqueue(Buffer.from('a'));
  assert.ok(state.paused);
  body.discard();
  assert.ok(state.paused);
  await turn();
  assert.ok(!state.paused);
  let closed = false;
  body.onClose(() => {
    closed = true;
  });
  body.enqueue(Buffer.alloc(100_000));
  await turn();
  assert.deepEqual([closed, state.aborted], [true, true]);
});

suite('a request body', () => {
  test('fails at once when the client has disconnected or the request has been cancelled', async () => {
    const gone = new PassThrough();
    gone.destroy();
    const open = new PassThrough();
    const reason = new GatewayError('shutting_down', 'Bye.');
    const rejected = async (body: PassThrough, signal: AbortSignal): Promise<unknown> =>
      await readAll(body, { maxBytes: 1_000, deadline: 60_000, signal }).catch((error: unknown) => error);
    assert.equal(((await rejected(gone, new AbortController().signal)) as GatewayError).code, 'client_closed');
    assert.equal(await rejected(open, AbortSignal.abort(reason)), reason);
    open.destroy();
  });
});
