import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ChatEvent } from '../../src/chat/event.ts';
import { estimatedInputTokens, estimatedTokensIn } from '../../src/chat/estimate.ts';
import type { ChatResult } from '../../src/chat/accumulator.ts';
import type { AnswerHead, EmbeddingsProtocol, GenerationCall, GenerationProtocol } from '../../src/chat/protocol.ts';
import type { GenerationRequest, Message } from '../../src/chat/request.ts';
import { settleHistory } from '../../src/chat/history/settle.ts';
import { GatewayError, asGatewayError } from '../../src/errors.ts';
import { clientProtocols, nativeRoutes } from '../../src/protocols/index.ts';
import { parseJson } from '../../src/http/request-body.ts';
import { checkSchema } from '../../src/schema/json-schema.ts';
import { MemoryTextStore } from '../../src/store/memory.ts';
import { backends } from '../../src/upstreams/index.ts';
import { bodies, requestTo } from './bodies.ts';
import { readEvents } from './frames.ts';
import { polluted } from './mutate.ts';
import { check } from './settings.ts';

const keeper = new MemoryTextStore({ entries: 50, bytes: 1024 * 1024, ttl: 60_000 });
const { generation, embeddings } = clientProtocols({ reasoning_field: 'both' }, keeper);
const kinds = [backends.ollama, backends.openai];
const head: AnswerHead = { id: 'id_1', created: 1, model: 'm', arrivedAt: 1000, now: () => 1250 };

/** Error messages after which a backend sends the request in another form. */
const rejections = [
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

/** Asserts that a value can be written as JSON. @throws {Error} when JSON.stringify omits it or throws */
function assertJson(value: unknown): void {
  const text = JSON.stringify(value);
  assert.equal(typeof text, 'string');
  JSON.parse(text);
}

/** @returns the request with image data in place of image URLs, as after the images were fetched */
function withFetchedImages(request: GenerationRequest): GenerationRequest {
  if (request.kind !== 'chat') return request;
  const messages = request.messages.map((message): Message => {
    const { images = [], audio = [], documents: _, ...rest } = message;
    return {
      ...rest,
      images: images.map(() => ({ base64: 'aGk=' })),
      audio: audio.map(() => ({ base64: 'aGk=', format: 'wav', param: 'p' })),
    };
  });
  return settleHistory({ ...request, messages });
}

/** Runs every step between a parsed request and the backends. */
function sendToBackends(request: GenerationRequest): void {
  assert.ok(estimatedInputTokens(request) >= 0);
  if (typeof request.format === 'object') checkSchema(request.format, 'response_format');
  for (const backend of kinds) {
    const { path, body, dropped } = backend.generation(request);
    assert.match(path, /^\/[a-z/]+$/);
    assertJson(body);
    assert.ok(dropped.every((field) => typeof field === 'string'));
    for (const message of rejections) {
      const rejection = backend.error(400, JSON.stringify({ error: { message } }));
      const { request: adapted } = backend.adapt(request, rejection) ?? {};
      if (adapted !== undefined) assertJson(backend.generation(adapted).body);
    }
    backend.decoder(request, () => undefined, 1024);
  }
}

/** Runs every step between a backend's answer and the client. */
function respond(call: GenerationCall, protocol: GenerationProtocol): void {
  if (call.ready !== undefined) return assertJson(call.ready);
  const total = { usage, timings: {} };
  assertJson(
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

/** Runs `handle`, and asserts that an error is one of the client, which can be written in its dialect. */
async function assertHandled(handle: () => void | Promise<void>, errors: GenerationProtocol['errors']): Promise<void> {
  try {
    await handle();
  } catch (thrown) {
    // As in the app: nesting that overflows the stack is an error of the client, too.
    const error = asGatewayError(thrown);
    if (error.status < 400 || error.status >= 500) throw thrown;
    if (!(thrown instanceof GatewayError)) assert.ok(thrown instanceof RangeError);
    assert.ok(error.param === undefined || typeof error.param === 'string');
    assertJson(errors.body(error));
  }
  assert.ok(!polluted());
}

async function generate(protocol: GenerationProtocol, text: string): Promise<void> {
  await assertHandled(async () => {
    const call = await protocol.read(parseJson(Buffer.from(text)), 'owner');
    assertJson(call.dropped);
    sendToBackends(withFetchedImages(call.requests[0]));
    assert.ok(call.requests.length <= 10_000);
    respond(call, protocol);
  }, protocol.errors);
}

async function embed(protocol: EmbeddingsProtocol, text: string): Promise<void> {
  await assertHandled(() => {
    const call = protocol.read(parseJson(Buffer.from(text)));
    const { ready, request } = call;
    if (ready !== undefined) return assertJson(ready);
    // Tokens are decoded before.
    const input = request.input.filter((one) => typeof one === 'string');
    for (const backend of kinds) assertJson(backend.embeddings({ ...request, input }).body);
    assertJson(call.respond({ vectors: request.input.map(() => [0.5, -1]), usage, timings: {} }, head));
  }, protocol.errors);
}

suite('fuzz: request bodies', () => {
  test('every dialect has sample bodies', () => {
    const paths = [...generation, ...embeddings].map(({ path }) => path);
    assert.deepEqual(
      paths.filter((path) => bodies[path] === undefined),
      [],
    );
  });

  test('the unchanged sample bodies are accepted', async () => {
    for (const protocol of generation) {
      for (const body of bodies[protocol.path] ?? []) {
        if ('previous_response_id' in body) continue;
        const call = await protocol.read(JSON.parse(JSON.stringify(body)), 'owner');
        sendToBackends(call.requests[0]);
        respond(call, protocol);
      }
    }
  });

  for (const protocol of generation) {
    test(`${protocol.path}: a mutated body is accepted, or is an error of the client`, async () => {
      await check(
        0.04,
        fc.asyncProperty(requestTo([protocol.path]), async ([, text]) => await generate(protocol, text)),
      );
    });
  }

  for (const protocol of embeddings) {
    test(`${protocol.path}: a mutated body is accepted, or is an error of the client`, async () => {
      await check(
        0.02,
        fc.asyncProperty(requestTo([protocol.path]), async ([, text]) => await embed(protocol, text)),
      );
    });
  }

  test('native routes: a mutated body is read, or is an error of the client', async () => {
    const routes = [...nativeRoutes.ollama, ...nativeRoutes.openai].filter(({ path }) => bodies[path] !== undefined);
    const cases = fc
      .nat(routes.length - 1)
      .chain((index) => requestTo([routes[index]?.path ?? '']).map(([, body]) => [index, body] as const));
    await check(
      0.04,
      fc.asyncProperty(cases, async ([index, text]) => {
        const route = routes[index];
        assert.ok(route);
        await assertHandled(
          () => {
            const body = parseJson(Buffer.from(text));
            assertJson(route.modelsIn?.(body));
            route.needsGateway?.(body);
            route.outputTokens?.(body);
            route.sse?.isRequested(body);
            estimatedTokensIn(body);
          },
          { body: () => ({}) },
        );
      }),
    );
  });
});
