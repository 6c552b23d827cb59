import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventStream, inParts } from '../helpers/event-stream.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const settings = { timeouts: { silence: '40ms', idle: '60ms' } };
/** Milliseconds in which several heartbeats are due. */
const severalIntervals = 250;

const messages = [{ role: 'user', content: 'hi' }];
const parameters = { type: 'object', properties: {} };
const tools = [{ type: 'function', function: { name: 'save', parameters } }];
const call = { function: { name: 'save', arguments: {} } };

/** Requests with a tool. */
const requests = {
  '/v1/responses': { input: 'hi', tools: [{ type: 'function', name: 'save', parameters }] },
  '/v1/messages': { max_tokens: 9, messages, tools: [{ name: 'save', input_schema: parameters }] },
  '/v1/chat/completions': { messages, tools },
};
type Path = keyof typeof requests;
const paths = Object.keys(requests) as Path[];

/** Matches a heartbeat within an answer. */
const heartbeats: Record<Path, RegExp> = {
  '/v1/responses': /^event: response\.in_progress$/gm,
  '/v1/messages': /^event: ping$/gm,
  '/v1/chat/completions': /"delta":\{\}/g,
};
const ends = /^data: (\[DONE\]|\{"type":"(response\.completed|message_stop)".*\})\n\n$/m;

async function open(gateway: TestGateway, path: string, fields: object): Promise<EventStream> {
  const body = JSON.stringify({ stream: true, ...fields });
  return new EventStream(await gateway.fetch(path, { method: 'POST', body, signal: AbortSignal.timeout(15_000) }));
}

async function heartbeatsIn(stream: EventStream, path: Path): Promise<void> {
  const count = (): number => (stream.text.match(heartbeats[path]) ?? []).length;
  const wanted = count() + 6;
  await until('heartbeats', () => count() >= wanted);
}

/** Two parts of Ollama's answer: a text, and a call that is sent only when it is complete. */
const wholeCall = [
  (res: ServerResponse) => void ndjson(res).write(chatLine('I save it.')),
  (res: ServerResponse) => {
    res.end(chatLine('', { message: { role: 'assistant', content: '', tool_calls: [call] } }) + doneLine());
  },
];

suite('a tool call that Ollama holds back until it is complete', { concurrency: 4 }, () => {
  for (const path of paths) {
    test(`is no silence that \`timeouts.idle\` ends, and the client sees heartbeats: ${path}`, async () => {
      const { answer, next } = inParts((res, part) => wholeCall[part]?.(res), 2);
      await using upstream = await fakeUpstream(answer);
      await using gateway = await testGateway(upstream, settings);
      const stream = await open(gateway, path, { model: 'scripted-plain', ...requests[path] });
      next();
      await until('the text', () => stream.text.includes('I save it.'));
      await heartbeatsIn(stream, path);
      next();
      await stream.ended;
      assert.match(stream.text, /"name":"save"/);
      assert.match(stream.text, ends);
    });
  }

  test('is a silence that `timeouts.idle` ends if the request has no tools', async () => {
    const { answer, next } = inParts((res, part) => wholeCall[part]?.(res), 2);
    await using upstream = await fakeUpstream(answer);
    await using gateway = await testGateway(upstream, settings);
    const stream = await open(gateway, '/v1/messages', { model: 'scripted-plain', max_tokens: 9, messages });
    next();
    await stream.ended;
    assert.equal(stream.events.at(-1)?.type, 'error');
    await until('the log line', () => gateway.log.some(({ error }) => error === 'upstream_idle_timeout'));
  });
});

suite('an answer that llamaduct holds back itself gets heartbeats while its parts arrive', { concurrency: 4 }, () => {
  /** Sends the first part, then the second one again and again until the test has seen enough, and then the last. */
  function arriving(
    [first, part, rest]: readonly [string, string, string],
    type: string,
  ): { answer: Answer; finish: () => void } {
    const enough = new AbortController();
    return {
      finish: () => enough.abort(),
      answer: async (res) => {
        res.writeHead(200, { 'content-type': type });
        res.write(first);
        while (!enough.signal.aborted && !res.destroyed) {
          res.write(part);
          await sleep(10);
        }
        res.end(rest);
      },
    };
  }

  for (const path of ['/v1/responses', '/v1/messages'] as const) {
    test(`a tool call in fragments: ${path} in front of an OpenAI-compatible server`, async () => {
      const sse = (event: object): string => `data: ${JSON.stringify(event)}\n\n`;
      const fragment = (text: string): string =>
        sse(chunk({ tool_calls: [{ index: 0, id: 'c', function: { name: 'save', arguments: text } }] }));
      const start = sse(chunk({ content: 'I save it.' })) + fragment('{');
      const rest = `${fragment('}')}${sse(chunk({}, 'tool_calls'))}data: [DONE]\n\n`;
      const { answer, finish } = arriving([start, fragment(' '), rest], 'text/event-stream');
      await using upstream = await openaiUpstream(answer);
      await using gateway = await testGateway(upstream, { ...settings, upstream: { kind: 'openai' } });
      const stream = await open(gateway, path, { model: 'scripted', ...requests[path] });
      await until('the text', () => stream.text.includes('I save it.'));
      await heartbeatsIn(stream, path);
      finish();
      await stream.ended;
      assert.match(stream.text, /"name":"save"/);
      assert.match(stream.text, ends);
    });
  }

  test('hidden thinking: chat completions in front of Ollama', async () => {
    const thought = chatLine('', { message: { role: 'assistant', content: '', thinking: 'hm' } });
    const { answer, finish } = arriving([thought, thought, chatLine('Hello') + doneLine()], 'application/x-ndjson');
    await using upstream = await fakeUpstream(answer);
    await using gateway = await testGateway(upstream, { ...settings, models: [{ match: '*', hide_thinking: true }] });
    const path = '/v1/chat/completions';
    const stream = await open(gateway, path, { model: 'scripted-plain', messages });
    await heartbeatsIn(stream, path);
    finish();
    await stream.ended;
    assert.match(stream.text, /"content":"Hello"/);
    assert.doesNotMatch(stream.text, /hm/);
    assert.match(stream.text, ends);
  });
});

suite('an answer that may pause, passed through', { concurrency: 4 }, () => {
  const ollamaParts = [
    (res: ServerResponse) => void ndjson(res).write(chatLine('Hel')),
    (res: ServerResponse) => void res.end(chatLine('lo') + doneLine()),
  ];
  const openaiParts = [
    (res: ServerResponse) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(`data: ${JSON.stringify(chunk({ content: 'Hel' }))}\n\n`);
    },
    (res: ServerResponse) => void res.end(`data: ${JSON.stringify(chunk({}, 'stop'))}\n\ndata: [DONE]\n\n`),
  ];

  for (const [kind, path, body] of [
    ['ollama', '/api/chat', { messages, tools }],
    ['ollama', '/api/generate', { prompt: 'x', format: 'json' }],
    ['openai', '/v1/chat/completions', { messages, tools, stream: true }],
    ['openai', '/v1/chat/completions', { messages, response_format: { type: 'json_object' }, stream: true }],
  ] as const) {
    test(`is not ended by \`timeouts.idle\`: ${path}, ${Object.keys(body).join(', ')}`, async () => {
      const parts = kind === 'ollama' ? ollamaParts : openaiParts;
      const { answer, next } = inParts((res, part) => parts[part]?.(res), 2);
      await using upstream = await (kind === 'ollama' ? fakeUpstream(answer) : openaiUpstream(answer));
      await using gateway = await testGateway(upstream, { ...settings, upstream: { kind } });
      const model = kind === 'ollama' ? 'scripted-plain' : 'scripted';
      next();
      const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model, ...body }) });
      let text = '';
      const ended = (async () => {
        for await (const more of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += more;
      })();
      // NDJSON has no room for heartbeats.
      if (kind === 'ollama') await sleep(severalIntervals);
      else await until('heartbeats', () => (text.match(/^: keep-alive$/gm) ?? []).length >= 4);
      next();
      await ended;
      assert.match(text, kind === 'ollama' ? /"done":true/ : /\[DONE\]/);
      if (kind === 'ollama') assert.doesNotMatch(text, /keep-alive/);
    });
  }
});
