import fc from 'fast-check';
import { type Kind, kinds, streams } from '../conformance/streams.ts';
import { mutated, mutation, oddValue, textOf } from './mutate.ts';

// Bytes of faulty upstreams, cut into pieces.

const chunk = (choice: object, rest: object = {}): object => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, ...choice }],
  ...rest,
});
const logprob = { token: 'a', logprob: -1, bytes: [97], top_logprobs: [{ token: 'b', logprob: -2, bytes: [98] }] };
const call = (rest: object): object => ({ delta: { tool_calls: [rest] } });

/** Records that hold every field that a decoder reads. */
const records: Record<Kind, readonly object[]> = {
  ollama: [
    {
      model: 'm',
      created_at: 'now',
      message: { role: 'assistant', content: 'Hi', thinking: 'hm' },
      done: false,
      logprobs: [logprob],
    },
    { model: 'm', response: 'Hi', thinking: 'hm', done: false, logprobs: [logprob] },
    {
      model: 'm',
      message: {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'c1', function: { name: 'weather', arguments: { city: 'Kiel', n: 1 } } }],
      },
      done: false,
    },
    {
      model: 'm',
      message: { content: '' },
      done: true,
      done_reason: 'stop',
      total_duration: 9,
      load_duration: 1,
      prompt_eval_count: 5,
      prompt_eval_duration: 2,
      eval_count: 3,
      eval_duration: 4,
    },
    { error: 'it broke' },
  ],
  openai: [
    chunk({
      delta: { role: 'assistant', content: 'Hi', reasoning_content: 'hm' },
      logprobs: { content: [logprob] },
      finish_reason: null,
    }),
    chunk({
      text: 'Hi',
      logprobs: { tokens: ['a'], token_logprobs: [-1], top_logprobs: [{ b: -2 }], text_offset: [0] },
    }),
    chunk(call({ index: 0, id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":' } })),
    chunk(call({ index: 0, function: { arguments: '"Kiel"}' } })),
    chunk(call({ index: 1, id: 'c2', function: { name: 'weather', arguments: { city: 'Ulm', n: 1 } } })),
    chunk({ delta: { function_call: { name: 'weather', arguments: '{}' } } }),
    chunk({
      message: {
        role: 'assistant',
        content: 'Hi',
        refusal: null,
        tool_calls: [{ id: 'c1', function: { name: 'weather', arguments: '{}' } }],
      },
      finish_reason: 'stop',
      stop_reason: 'END',
    }),
    chunk({ delta: {}, finish_reason: 'stop' }, { timings: { prompt_ms: 1, predicted_ms: 2 } }),
    {
      ...chunk({}),
      choices: [],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 3,
        total_tokens: 8,
        prompt_tokens_details: { cached_tokens: 1 },
        completion_tokens_details: { reasoning_tokens: 1 },
      },
    },
    { error: { message: 'it broke', type: 'server_error', code: 500 } },
  ],
};

function framed(kind: Kind, json: string): string {
  return kind === 'ollama' ? `${json}\n` : `data: ${json}\n\n`;
}

/** @returns streams of records, most of them mutated */
function composed(kind: Kind): fc.Arbitrary<Buffer> {
  const [first = {}, ...others] = records[kind];
  const record = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(first, ...others).map((base) => textOf(base)) },
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.constantFrom(first, ...others), fc.array(mutation, { minLength: 1, maxLength: 2 }))
        .map(([base, mutations]) => textOf(mutated(base, mutations))),
    },
    { weight: 1, arbitrary: oddValue.map((value) => textOf(value)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('[DONE]', '', '{', '\nevent: error', ': comment', '\ndata: {}', '\r\n', '\u0000'),
    },
  );
  // Half of them end correctly, so that an error comes from the records before.
  const ending =
    framed(kind, textOf(kind === 'ollama' ? records.ollama[3] : records.openai[7])) +
    (kind === 'openai' ? framed(kind, '[DONE]') : '');
  return fc
    .tuple(fc.array(record, { maxLength: 5 }), fc.boolean())
    .map(([all, ended]) => Buffer.from(all.map((json) => framed(kind, json)).join('') + (ended ? ending : '')));
}

/** @returns recorded streams of chats and completions with bytes replaced, removed or inserted */
function damaged(kind: Kind): fc.Arbitrary<Buffer> {
  const { chat, completion } = streams[kind];
  // The longer ones hold nothing new.
  const [first, ...others] = [...chat, ...completion].map(({ body }) => body).filter(({ length }) => length < 20_000);
  const change = fc.record({ at: fc.nat(), drop: fc.nat(40), put: fc.uint8Array({ maxLength: 8 }) });
  return fc
    .tuple(fc.constantFrom(first ?? Buffer.alloc(0), ...others), fc.array(change, { maxLength: 3 }))
    .map(([body, changes]) =>
      changes.reduce((bytes, { at, drop, put }) => {
        const start = at % (bytes.length + 1);
        return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + drop)]);
      }, body),
    );
}

/** @returns the pieces, which fast-check prints as text when a case fails */
function printable(kind: Kind, pieces: readonly Buffer[]): CutStream {
  const shown = pieces.map((piece) => piece.toString('latin1'));
  return Object.assign({ kind, pieces }, { [fc.toStringMethod]: () => JSON.stringify({ kind, pieces: shown }) });
}

/** A response body of an upstream of this kind, cut into pieces. */
export interface CutStream {
  readonly kind: Kind;
  readonly pieces: readonly Buffer[];
}

/** @returns bodies for the decoder of `kind`, some of them of the other kind, or random bytes */
function cutStreamsOf(kind: Kind): fc.Arbitrary<CutStream> {
  const bytes = fc.oneof(
    { weight: 12, arbitrary: composed(kind) },
    { weight: 4, arbitrary: damaged(kind) },
    { weight: 1, arbitrary: composed(kind === 'ollama' ? 'openai' : 'ollama') },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((random) => Buffer.from(random)) },
  );
  return fc
    .tuple(bytes, fc.array(fc.nat(), { maxLength: 6 }))
    .map(([whole, cuts]) => printable(kind, cut(whole, cuts)));
}

export const cutStreams: fc.Arbitrary<CutStream> = fc.oneof(...kinds.map(cutStreamsOf));

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((at) => at % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}
