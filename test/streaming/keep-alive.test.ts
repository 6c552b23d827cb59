import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOpenAI } from '@ai-sdk/openai';
import { Anthropic } from '@anthropic-ai/sdk';
import { streamText } from 'ai';
import { OpenAI } from 'openai';
import { ChatCompletionEncoder } from '../../src/protocols/openai/chat-completions/encoder.ts';
import { CompletionEncoder } from '../../src/protocols/openai/completions/encoder.ts';
import { EventStream, type StreamEvent, inParts } from '../helpers/event-stream.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { failing, chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const timeouts = { silence: '40ms' };
/** Milliseconds in which several heartbeats are due. */
const severalIntervals = 250;

const ollamaParts = [
  (res: ServerResponse) => void ndjson(res).write(chatLine('Hel')),
  (res: ServerResponse) => void res.end(chatLine('lo') + doneLine()),
];
const sse = (event: object): string => `data: ${JSON.stringify(event)}\n\n`;
const openaiParts = [
  (res: ServerResponse) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(sse(chunk({ role: 'assistant', content: 'Hel' })));
  },
  (res: ServerResponse) => void res.end(`${sse(chunk({ content: 'lo' }))}${sse(chunk({}, 'stop'))}data: [DONE]\n\n`),
];

interface Dialect {
  readonly path: string;
  readonly body: object;
  /** The kinds of the events that a heartbeat within the text consists of. */
  readonly heartbeat: readonly string[];
}

const messages = [{ role: 'user', content: 'hi' }];
const responses: Dialect = {
  path: '/v1/responses',
  body: { input: 'hi' },
  heartbeat: ['response.in_progress'],
};
const anthropic: Dialect = {
  path: '/v1/messages',
  body: { max_tokens: 9, messages },
  heartbeat: ['content_block_delta', 'ping'],
};
const chat: Dialect = { path: '/v1/chat/completions', body: { messages }, heartbeat: ['empty'] };
const completions: Dialect = { path: '/v1/completions', body: { prompt: 'hi' }, heartbeat: ['empty'] };
const dialects = [responses, anthropic, chat, completions];

interface Choice {
  readonly text?: string;
  readonly delta?: { readonly content?: string | null };
  readonly finish_reason: string | null;
}

function kindOf({ type, choices }: StreamEvent): string {
  if (type !== undefined) return type;
  const [{ text, delta, finish_reason: reason }] = choices as [Choice];
  return reason ?? (text || delta?.content ? 'text' : 'empty');
}

/** The text of all events. */
function textOf(events: readonly StreamEvent[]): string {
  return events
    .map(({ type, delta, choices }) => {
      if (type === 'response.output_text.delta') return String(delta);
      if (type === 'content_block_delta') return (delta as { text?: string }).text ?? '';
      const [first] = (choices ?? []) as Choice[];
      return first?.text ?? first?.delta?.content ?? '';
    })
    .join('');
}

function assertNumbered(events: readonly StreamEvent[]): void {
  for (const [index, { sequence_number: number }] of events.entries()) assert.equal(number, index);
}

async function open(gateway: TestGateway, { path, body }: Pick<Dialect, 'path' | 'body'>): Promise<EventStream> {
  const text = JSON.stringify({ model: 'scripted-plain', stream: true, ...body });
  return new EventStream(
    await gateway.fetch(path, { method: 'POST', body: text, signal: AbortSignal.timeout(15_000) }),
  );
}

suite('an idle timer that only events reset', { concurrency: 4 }, () => {
  for (const [kind, parts] of [
    ['ollama', ollamaParts],
    ['openai', openaiParts],
  ] as const) {
    const model = kind === 'ollama' ? 'scripted-plain' : 'scripted';
    for (const dialect of kind === 'ollama' ? dialects : [responses, anthropic]) {
      for (const portable of [false, true]) {
        const outlet = portable ? 'a web stream' : "Node's response";
        test(`sees events while the request waits and within the answer: ${dialect.path}, ${kind}, ${outlet}`, async () => {
          const { answer, next } = inParts((res, part) => parts[part]?.(res), 2);
          await using upstream = await (kind === 'ollama' ? fakeUpstream(answer) : openaiUpstream(answer));
          await using gateway = await testGateway(upstream, { timeouts, portable, upstream: { kind } });
          const stream = await open(gateway, { ...dialect, body: { ...dialect.body, model } });
          await stream.more(4);
          next();
          await until('the first text', () => textOf(stream.events).includes('Hel'));
          const before = stream.events.length;
          await stream.more(2 * dialect.heartbeat.length);
          const heartbeats = stream.events.slice(before).map(kindOf);
          next();
          await stream.ended;
          assert.deepEqual(heartbeats.slice(-2 * dialect.heartbeat.length), [
            ...dialect.heartbeat,
            ...dialect.heartbeat,
          ]);
          assert.equal(textOf(stream.events), 'Hello');
          const kinds = stream.events.map(kindOf);
          if (dialect === responses) assertNumbered(stream.events);
          for (const once of [
            'response.created',
            'message_start',
            'content_block_start',
            'response.completed',
            'stop',
          ]) {
            assert.ok(kinds.filter((one) => one === once).length <= 1, once);
          }
        });
      }
    }
  }

  test('of Codex, which gives up when no event comes, sees `response.created` once, then `response.in_progress`', async () => {
    const { answer, next } = inParts((res, part) => ollamaParts[part]?.(res), 2);
    await using upstream = await fakeUpstream(answer);
    await using gateway = await testGateway(upstream, { timeouts });
    const stream = await open(gateway, responses);
    await stream.more(4);
    assert.deepEqual(
      stream.events.slice(0, 4).map(({ type, response }) => [type, (response as { status: string }).status]),
      ['created', 'in_progress', 'in_progress', 'in_progress'].map((stage) => [`response.${stage}`, 'in_progress']),
    );
    assertNumbered(stream.events);
    next();
    next();
    await stream.ended;
    assertNumbered(stream.events);
    const ids = stream.events.flatMap(({ response }) => (response as { id: string } | undefined)?.id ?? []);
    assert.equal(new Set(ids).size, 1);
  });

  test('of Claude Code, whose SDK hides pings, sees `message_start` with an estimate, and deltas in an open block', async () => {
    const { answer, next } = inParts((res, part) => ollamaParts[part]?.(res), 2);
    await using upstream = await fakeUpstream(answer);
    await using gateway = await testGateway(upstream, { timeouts });
    const client = new Anthropic({ baseURL: gateway.url, apiKey: secret, maxRetries: 0 });
    const seen: string[] = [];
    const stream = client.messages
      .stream({ model: 'scripted-plain', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] })
      .on('streamEvent', (event) => {
        if (event.type === 'message_start') assert.ok(event.message.usage.input_tokens > 0);
        seen.push(event.type);
      });
    await until('the start', () => seen.length === 1);
    next();
    await until('deltas', () => seen.filter((type) => type === 'content_block_delta').length >= 4);
    next();
    const { content, usage } = await stream.finalMessage();
    assert.deepEqual(content, [{ type: 'text', text: 'Hello' }]);
    // The upstream's own count replaces the estimate.
    assert.deepEqual([usage.input_tokens, usage.output_tokens], [46, 44]);
    assert.deepEqual(seen.slice(0, 2), ['message_start', 'content_block_start']);
  });
});

suite('heartbeats before and within an answer do not disturb an SDK', { concurrency: 4 }, () => {
  const read: Record<string, (gateway: TestGateway) => Promise<string | undefined | null>> = {
    'responses in openai': async ({ url }) => {
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: secret, maxRetries: 0 });
      return (await client.responses.stream({ model: 'scripted-plain', input: 'hi' }).finalResponse()).output_text;
    },
    'chat completions in openai': async ({ url }) => {
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: secret, maxRetries: 0 });
      return await client.chat.completions
        .stream({ model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }] })
        .finalContent();
    },
    'responses in ai': async ({ url }) => {
      const provider = createOpenAI({ baseURL: `${url}/v1`, apiKey: secret });
      return await streamText({ model: provider.responses('scripted-plain'), prompt: 'hi', maxRetries: 0 }).text;
    },
    'chat completions in ai': async ({ url }) => {
      const provider = createOpenAI({ baseURL: `${url}/v1`, apiKey: secret });
      return await streamText({ model: provider.chat('scripted-plain'), prompt: 'hi', maxRetries: 0 }).text;
    },
  };
  for (const [name, readText] of Object.entries(read)) {
    test(name, async () => {
      const slow: Answer = async (res) => {
        for (const part of ollamaParts) {
          await sleep(severalIntervals);
          part(res);
        }
      };
      await using upstream = await fakeUpstream(slow);
      await using gateway = await testGateway(upstream, { timeouts });
      assert.equal(await readText(gateway), 'Hello');
    });
  }
});

test('a retry on another server after the first heartbeat continues the stream that has begun', async () => {
  const { answer, next } = inParts((res, part) => ollamaParts[part]?.(res), 2);
  await using broken = await fakeUpstream(async (res, request) => {
    await sleep(severalIntervals);
    return await failing(503)(res, request);
  });
  await using good = await fakeUpstream(answer);
  const upstreams = [
    { name: 'broken', kind: 'ollama', url: broken.url, weight: 100 },
    { name: 'good', kind: 'ollama', url: good.url },
  ] as const;
  await using gateway = await testGateway(upstreams, { timeouts, retries: { attempts: 2 } });
  const stream = await open(gateway, responses);
  await stream.more(4);
  await until('the second server', () => good.requests.length === 1);
  await stream.more(2);
  next();
  next();
  await stream.ended;
  assert.equal(textOf(stream.events), 'Hello');
  assertNumbered(stream.events);
  assert.equal(stream.events.at(-1)?.type, 'response.completed');
});

suite('a stream that is passed through', () => {
  test('gets comments between its events, none within one, and keeps its bytes', async () => {
    const first = sse(chunk({ role: 'assistant', content: 'Hel' }));
    const [start, rest] = [first.slice(0, 20), `${first.slice(20)}${sse(chunk({}, 'stop'))}data: [DONE]\n\n`];
    const { answer, next } = inParts((res, part) => {
      if (part === 0) res.writeHead(200, { 'content-type': 'text/event-stream' }).write(first);
      if (part === 1) res.write(start);
      if (part === 2) res.end(rest);
    }, 3);
    await using upstream = await openaiUpstream(answer);
    await using gateway = await testGateway(upstream, { timeouts, upstream: { kind: 'openai' } });
    const stream = await open(gateway, { ...chat, body: { ...chat.body, model: 'scripted' } });
    next();
    await until('comments', () => stream.text.split(': keep-alive\n\n').length > 3);
    next();
    await until('the start of an event', () => stream.text.endsWith(start));
    await sleep(severalIntervals);
    assert.ok(stream.text.endsWith(start));
    next();
    await stream.ended;
    assert.equal(stream.text.replaceAll(/^: .*\n\n/gm, ''), first + start + rest);
  });
});

suite('the heartbeat of an answer with several choices', () => {
  const head = { id: 'c', created: 1, model: 'm', arrivedAt: 0, now: () => 0 };
  const finish = { type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, timings: {} } as const;
  const encoders = {
    'chat completions': new ChatCompletionEncoder(head, false, {
      reasoningField: 'both',
      usesFunctions: false,
      customTools: new Map(),
    }),
    completions: new CompletionEncoder(head, false, []),
  };
  for (const [name, encoder] of Object.entries(encoders)) {
    test(`belongs to one that has not finished: ${name}`, () => {
      assert.match(encoder.keepAlive(), /"index":0/);
      encoder.write({ type: 'text', text: 'x' }, 0);
      encoder.write(finish, 0);
      const text = encoder.keepAlive();
      assert.match(text, /"index":1/);
      assert.match(text, /"finish_reason":null/);
    });
  }
});
