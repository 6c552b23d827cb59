import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { GatewayError } from '../../src/errors.ts';
import { readAll } from '../../src/http/request-body.ts';
import { type Chunk, MergedBodies } from '../../src/streaming/merged-bodies.ts';
import { UpstreamBody } from '../../src/upstreams/http/body.ts';

/** What undici lets a receiver do, and what was done. */
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

suite('a source', () => {
  test('lets bodies wait that join while it is paused, and passes on what they brought', async () => {
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

  test('that is paused by what one body brings lets the others wait as well', async () => {
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
      // Each is as much as there is room for.
      for (let times = 0; times < 2; times += 1) source.resume();
      assert.equal(pieces.length, 2 * round + 2);
    }
  });

  test('hears at once of all that comes in a turn, and of its end after it', async () => {
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

  test('hears nothing of what came in the turn in which it was left', async () => {
    const { body, state } = controlled();
    const heard: Buffer[] = [];
    body.read({ data: (bytes) => heard.push(bytes), end: () => undefined, error: () => undefined });
    body.enqueue(Buffer.from('a'));
    body.destroy();
    await turn();
    assert.deepEqual([heard, state.aborted], [[], true]);
  });

  test('breaks one answer where what comes of it cannot be read', async () => {
    const { body, state } = controlled();
    body.read({ data: () => assert.fail('a fault'), end: () => undefined, error: () => undefined });
    body.enqueue(Buffer.from('a'));
    await turn();
    assert.ok(state.aborted);
  });

  test('hears nothing of nothing', async () => {
    const { body } = controlled();
    const heard: Buffer[] = [];
    body.read({ data: (bytes) => heard.push(bytes), end: () => undefined, error: () => undefined });
    body.enqueue(Buffer.alloc(0));
    await turn();
    assert.deepEqual(heard, []);
  });

  test('that is left gives up what has not come, and closes what has', async () => {
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

test('the rest of an answer is read later: undici parses one at a time, and may be at another', async () => {
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
  test('of a client that has left, or that nobody waits for, is not waited for', async () => {
    const gone = new PassThrough();
    gone.destroy();
    const open = new PassThrough();
    const reason = new GatewayError('shutting_down', 'Bye.');
    const rejected = async (body: PassThrough, signal: AbortSignal): Promise<unknown> =>
      await readAll(body, 1_000, 60_000, signal).catch((error: unknown) => error);
    assert.equal(((await rejected(gone, new AbortController().signal)) as GatewayError).code, 'client_closed');
    assert.equal(await rejected(open, AbortSignal.abort(reason)), reason);
    open.destroy();
  });
});
