import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ChatEvent } from '../../src/chat/event.ts';
import { estimatedInputTokens, estimatedTokensIn } from '../../src/chat/estimate.ts';
import type { ChatResult } from '../../src/chat/accumulator.ts';
import type { AnswerHead, EmbeddingsProtocol, GenerationCall, GenerationProtocol } from '../../src/chat/protocol.ts';
import type { GenerationRequest } from '../../src/chat/request.ts';
import { GatewayError, asGatewayError } from '../../src/errors.ts';
import { clientProtocols, nativeRoutes } from '../../src/protocols/index.ts';
import { parseJson } from '../../src/http/request-body.ts';
import { checkSchema } from '../../src/schema/json-schema.ts';
import { MemoryTextStore } from '../../src/store/memory.ts';
import { backends } from '../../src/upstreams/index.ts';
import { asked, bodies } from './bodies.ts';
import { readEvents } from './frames.ts';
import { polluted } from './mutate.ts';
import { check } from './settings.ts';

const keeper = new MemoryTextStore({ entries: 50, bytes: 1024 * 1024, ttl: 60_000 });
const { generation, embeddings } = clientProtocols({ reasoning_field: 'both' }, keeper);
const kinds = [backends.ollama, backends.openai];
const head: AnswerHead = { id: 'id_1', created: 1, model: 'm', arrivedAt: 1000, now: () => 1250 };

/** What makes a backend refuse, so that it is asked in another form. */
const refusals = [
  '"scripted" does not support tools',
  '"scripted" does not support thinking',
  'think value "low" is not supported for this model',
  'Unrecognized request argument supplied: seed',
  "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
];

const logprobs = [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [{ token: 'b', logprob: -2, bytes: null }] }];
const usage = { inputTokens: 5, outputTokens: 3 };
const events: readonly ChatEvent[] = [
  { type: 'reasoning', text: 'hm' },
  { type: 'text', text: 'Hi\u2028\ud800', logprobs },
  { type: 'tool-call', id: 'call_1', name: 'weather', arguments: '{"n":9007199254740993}' },
  { type: 'finish', reason: 'tool_calls', usage, timings: { eval: 1 } },
];
const result: ChatResult = {
  text: 'Hi',
  reasoning: 'hm',
  toolCalls: [{ type: 'tool-call', id: 'call_1', name: 'weather', arguments: '{}' }],
  logprobs,
  finishReason: 'stop',
  usage,
  timings: {},
};

/** JSON, there and back. @throws for what JSON.stringify leaves out or cannot write */
function written(value: unknown): void {
  const text = JSON.stringify(value);
  assert.equal(typeof text, 'string');
  JSON.parse(text);
}

/** As the service hands it on: an image that is named by address is fetched before. */
function fetched(request: GenerationRequest): GenerationRequest {
  if (request.kind !== 'chat') return request;
  const messages = request.messages.map((message) =>
    message.role === 'user' ? { ...message, images: message.images.map(() => ({ base64: 'aGk=' })) } : message,
  );
  return { ...request, messages };
}

function toBackends(request: GenerationRequest): void {
  assert.ok(estimatedInputTokens(request) >= 0);
  if (typeof request.format === 'object') checkSchema(request.format, 'response_format');
  for (const backend of kinds) {
    const { path, body, dropped } = backend.generation(request);
    assert.match(path, /^\/[a-z/]+$/);
    written(body);
    assert.ok(dropped.every((field) => typeof field === 'string'));
    for (const message of refusals) {
      const refusal = backend.error(400, JSON.stringify({ error: { message } }));
      const { request: another } = backend.adapt(request, refusal) ?? {};
      if (another !== undefined) written(backend.generation(another).body);
    }
    backend.decoder(request, () => undefined, 1024);
  }
}

function answered(call: GenerationCall, protocol: GenerationProtocol): void {
  if (call.ready !== undefined) return written(call.ready);
  const total = { usage, timings: {} };
  written(
    call.respond(
      call.requests.map(() => result),
      total,
      head,
    ),
  );
  if (!call.stream) return;
  const encoder = call.encoder(head);
  const text = call.requests.map((_, choice) => events.map((event) => encoder.write(event, choice)).join('')).join('');
  readEvents(text + encoder.end(total), protocol.contentType);
  readEvents(call.encoder(head).fail(new GatewayError('upstream_error', 'It broke.')), protocol.contentType);
}

/** What a request may come to: an answer, or a fault of the client's told in its dialect. */
async function handled(handle: () => void | Promise<void>, errors: GenerationProtocol['errors']): Promise<void> {
  try {
    await handle();
  } catch (thrown) {
    // As the app does it: nesting without end is a fault of the client's, too.
    const error = asGatewayError(thrown);
    if (error.status < 400 || error.status >= 500) throw thrown;
    if (!(thrown instanceof GatewayError)) assert.ok(thrown instanceof RangeError);
    assert.ok(error.param === undefined || typeof error.param === 'string');
    written(errors.body(error));
  }
  assert.ok(!polluted());
}

async function generate(protocol: GenerationProtocol, text: string): Promise<void> {
  await handled(async () => {
    const call = await protocol.read(parseJson(Buffer.from(text)), 'owner');
    written(call.dropped);
    toBackends(fetched(call.requests[0]));
    assert.ok(call.requests.length <= 10_000);
    answered(call, protocol);
  }, protocol.errors);
}

async function embed(protocol: EmbeddingsProtocol, text: string): Promise<void> {
  await handled(() => {
    const call = protocol.read(parseJson(Buffer.from(text)));
    const { ready, request } = call;
    if (ready !== undefined) return written(ready);
    for (const backend of kinds) written(backend.embeddings(request).body);
    written(call.respond({ vectors: request.input.map(() => [0.5, -1]), usage, timings: {} }, head));
  }, protocol.errors);
}

suite('fuzz: request bodies', () => {
  test('every dialect has bodies', () => {
    const paths = [...generation, ...embeddings].map(({ path }) => path);
    assert.deepEqual(
      paths.filter((path) => bodies[path] === undefined),
      [],
    );
  });

  test('the bodies are right as long as nothing is changed', async () => {
    for (const protocol of generation) {
      for (const body of bodies[protocol.path] ?? []) {
        if ('previous_response_id' in body) continue;
        const call = await protocol.read(JSON.parse(JSON.stringify(body)), 'owner');
        toBackends(call.requests[0]);
        answered(call, protocol);
      }
    }
  });

  for (const protocol of generation) {
    test(`${protocol.path}: a call, or a fault of the client's`, async () => {
      await check(
        0.04,
        fc.asyncProperty(asked([protocol.path]), async ([, text]) => await generate(protocol, text)),
      );
    });
  }

  for (const protocol of embeddings) {
    test(`${protocol.path}: a call, or a fault of the client's`, async () => {
      await check(
        0.02,
        fc.asyncProperty(asked([protocol.path]), async ([, text]) => await embed(protocol, text)),
      );
    });
  }

  test('what is passed on is read without a fault', async () => {
    const routes = [...nativeRoutes.ollama, ...nativeRoutes.openai].filter(({ path }) => bodies[path] !== undefined);
    const cases = fc
      .nat(routes.length - 1)
      .chain((index) => asked([routes[index]?.path ?? '']).map(([, body]) => [index, body] as const));
    await check(
      0.04,
      fc.asyncProperty(cases, async ([index, text]) => {
        const route = routes[index];
        assert.ok(route);
        await handled(
          () => {
            const body = parseJson(Buffer.from(text));
            written(route.modelsNamed?.(body));
            route.asksMore?.(body);
            route.outputTokens?.(body);
            route.sse?.asks(body);
            estimatedTokensIn(body);
          },
          { body: () => ({}) },
        );
      }),
    );
  });
});
