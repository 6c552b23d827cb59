import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { GenerationProtocol } from '../../src/chat/protocol.ts';
import { prepareMessages } from '../../src/handlers/steps/attachments.ts';
import { messages } from '../../src/protocols/anthropic/messages/index.ts';
import { chat } from '../../src/protocols/ollama/chat/index.ts';
import { chatCompletions } from '../../src/protocols/openai/chat-completions/index.ts';
import { responses } from '../../src/protocols/openai/responses/index.ts';
import type { Services } from '../../src/services.ts';
import { MemoryTextStore } from '../../src/store/memory.ts';
import { backends } from '../../src/upstreams/index.ts';

// Whatever agents add to a conversation: the prompt of a turn begins with the prompt of the turn before, so that the server's cache
// of it is of use.

const services = {
  config: { images: { count: 2 }, documents: { count: 2 } },
  pool: { models: { details: () => Promise.resolve({}) } },
} as unknown as Services;
const exchange = { abortSignal: new AbortController().signal, key: undefined, admitted: undefined };
const png = 'iVBORw0KGgoAAAANSUhEUgAA';

/** One turn: what the agent adds, and the model's answer to it. */
interface Turn {
  /** Results of the calls of the turn before. */
  readonly results: readonly { readonly text: string; readonly image: boolean; readonly failed: boolean }[];
  readonly isReversed: boolean;
  readonly text: string;
  readonly image: boolean;
  /** A late system message, before or after the user's. */
  readonly reminder: 'before' | 'after' | 'none';
  readonly thinking: string;
  readonly answer: string;
  readonly calls: number;
}

const words = fc.string({ minLength: 1, maxLength: 12 });
const turn: fc.Arbitrary<Turn> = fc.record({
  results: fc.array(fc.record({ text: words, image: fc.boolean(), failed: fc.boolean() }), {
    minLength: 3,
    maxLength: 3,
  }),
  isReversed: fc.boolean(),
  text: words,
  image: fc.boolean(),
  reminder: fc.constantFrom('before', 'after', 'none'),
  thinking: fc.constantFrom('', 'Hm.'),
  answer: fc.constantFrom('', 'Done.'),
  calls: fc.integer({ min: 0, max: 3 }),
});

interface Round extends Turn {
  readonly number: number;
  /** Ids of the calls that are answered. */
  readonly open: readonly string[];
}

interface Dialect {
  readonly name: string;
  readonly protocol: GenerationProtocol;
  /** What the agent adds, and what the answer becomes in its history. */
  readonly asks: (round: Round) => object[];
  readonly answers: (round: Round) => object[];
  readonly body: (history: readonly object[]) => object;
}

const idsOf = ({ number, calls }: Round): string[] =>
  Array.from({ length: calls }, (_, index) => `call_${number}_${index}`);
const ordered = <Item>({ isReversed }: Turn, items: readonly Item[]): Item[] =>
  isReversed ? items.toReversed() : [...items];

function around({ reminder }: Turn, ...asked: readonly object[]): object[] {
  const late = [{ role: 'system', content: 'Mind the time.' }];
  return [...(reminder === 'before' ? late : []), ...asked, ...(reminder === 'after' ? late : [])];
}

const anthropicImage = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } };
const openaiImage = { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } };

const anthropic: Dialect = {
  name: 'messages',
  protocol: messages,
  asks(round) {
    const results = round.open.map((id, index) => {
      const { text = '', image, failed } = round.results[index] ?? {};
      const content = [{ type: 'text', text }, ...(image === true ? [anthropicImage] : [])];
      return { type: 'tool_result', tool_use_id: id, content, is_error: failed };
    });
    const text = { type: 'text', text: round.text };
    const said = results.length > 0 && !round.image ? [] : [text, ...(round.image ? [anthropicImage] : [])];
    return around(round, { role: 'user', content: [...ordered(round, results), ...said] });
  },
  answers(round) {
    const { thinking, answer } = round;
    const content = [
      ...(thinking === '' ? [] : [{ type: 'thinking', thinking, signature: 'x' }]),
      ...(answer === '' ? [] : [{ type: 'text', text: answer }]),
      ...idsOf(round).map((id) => ({ type: 'tool_use', id, name: 'Bash', input: { id } })),
    ];
    return [{ role: 'assistant', content }];
  },
  body: (history) => ({ max_tokens: 9, system: 'You are an agent.', messages: history }),
};

function chatDialect(name: string, protocol: GenerationProtocol, isNative: boolean): Dialect {
  const user = (text: string, image: boolean): object => {
    if (isNative) return { role: 'user', content: text, ...(image && { images: [png] }) };
    return { role: 'user', content: [{ type: 'text', text }, ...(image ? [openaiImage] : [])] };
  };
  return {
    name,
    protocol,
    asks(round) {
      const results = round.open.map((id, index) => {
        const { text = '', image } = round.results[index] ?? {};
        const content = isNative || image !== true ? text : [{ type: 'text', text }, openaiImage];
        return { role: 'tool', tool_call_id: id, content, ...(isNative && image === true && { images: [png] }) };
      });
      const said = results.length > 0 && !round.image ? [] : [user(round.text, round.image)];
      return around(round, ...ordered(round, results), ...said);
    },
    answers(round) {
      const tool_calls = idsOf(round).map((id) => ({
        id,
        type: 'function',
        function: { name: 'Bash', arguments: isNative ? { id } : JSON.stringify({ id }) },
      }));
      return [{ role: 'assistant', content: round.answer, ...(tool_calls.length > 0 && { tool_calls }) }];
    },
    body: (history) => ({ messages: [{ role: 'system', content: 'You are an agent.' }, ...history] }),
  };
}

const responsesDialect: Dialect = {
  name: 'responses',
  protocol: responses(new MemoryTextStore({ entries: 1, bytes: 1e6, ttl: 1e3 })),
  asks(round) {
    const image = { type: 'input_image', image_url: `data:image/png;base64,${png}` };
    const results = round.open.map((call_id, index) => {
      const result = round.results[index];
      const output = [{ type: 'input_text', text: result?.text ?? '' }, ...(result?.image === true ? [image] : [])];
      return { type: 'function_call_output', call_id, output };
    });
    const content = [{ type: 'input_text', text: round.text }, ...(round.image ? [image] : [])];
    const said = results.length > 0 && !round.image ? [] : [{ role: 'user', content }];
    return around(round, ...ordered(round, results), ...said);
  },
  answers: (round) => [
    // An answer has at least one item.
    ...(round.answer === '' && round.calls > 0
      ? []
      : [{ role: 'assistant', content: [{ type: 'output_text', text: round.answer || 'Done.' }] }]),
    ...idsOf(round).map((call_id) => ({ type: 'function_call', call_id, name: 'Bash', arguments: '{}' })),
  ],
  body: (history) => ({ instructions: 'You are an agent.', input: history }),
};

const dialects = [
  anthropic,
  chatDialect('chat completions', chatCompletions('both'), false),
  chatDialect('/api/chat', chat, true),
  responsesDialect,
];

/** @returns the JSON of each message that a server of each kind gets */
async function sent({ protocol, body }: Dialect, history: readonly object[]): Promise<string[][]> {
  const { requests } = await protocol.read(JSON.parse(JSON.stringify({ model: 'm', ...body(history) })), 'tester');
  const prepared = await prepareMessages(requests, services, exchange);
  return [backends.ollama, backends.openai].map((backend) =>
    (backend.generation(prepared.requests[0]).body as { messages: object[] }).messages.map((message) =>
      JSON.stringify(message),
    ),
  );
}

suite('the prompt of a turn begins with that of the turn before', () => {
  for (const dialect of dialects) {
    test(`in ${dialect.name}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(turn, { minLength: 2, maxLength: 6 }), async (turns) => {
          const history: object[] = [];
          let open: readonly string[] = [];
          let before: string[][] | undefined;
          for (const [number, one] of turns.entries()) {
            const round = { ...one, number, open };
            history.push(...dialect.asks(round));
            const prompts = await sent(dialect, history);
            for (const [kind, prompt] of prompts.entries()) {
              const last = before?.[kind] ?? [];
              assert.deepEqual(prompt.slice(0, last.length), last);
            }
            before = prompts;
            history.push(...dialect.answers(round));
            open = idsOf(round);
          }
        }),
        { numRuns: 200 },
      );
    });
  }
});
