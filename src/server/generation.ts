import type { GenerationProtocol } from '../chat/protocol.ts';
import { serverTiming } from '../chat/server-timing.ts';
import type { Encoder } from '../chat/stream.ts';
import { totalOf } from '../chat/total.ts';
import { GatewayError } from '../errors.ts';
import { askAll, sourceOf, wholeAnswers } from './answers.ts';
import type { Asked } from './ask.ts';
import { type BodyHandler, parseJson } from './body.ts';
import { decodersOf } from './decoders.ts';
import type { Exchange } from './exchange.ts';
import { headOf } from './head.ts';
import { type Prepared, prepare } from './prepare.ts';
import { relay } from './relay.ts';
import { sendJson, sendStream } from './respond.ts';
import type { Services } from './services.ts';
import { Translator } from './translator.ts';
import { patiently } from './waiting.ts';

/** Answers a generation request of any dialect from the upstream, streamed or in one piece. */
export function generationHandler(protocol: GenerationProtocol, services: Services): BodyHandler {
  const { fieldNames = {} } = protocol;
  const nameOf = (field: string): string => (Object.hasOwn(fieldNames, field) ? (fieldNames[field] ?? field) : field);
  const answer = answerer(protocol, services, nameOf);
  return async (c, body) => {
    try {
      return await answer(c, body);
    } catch (error) {
      throw error instanceof GatewayError ? named(error, nameOf) : error;
    }
  };
}

/** @param nameOf what the client's dialect calls a field */
function answerer(protocol: GenerationProtocol, services: Services, nameOf: (field: string) => string): BodyHandler {
  // Only SSE has a way to say something that is not part of the answer.
  const silence = protocol.contentType.startsWith('text/event-stream') ? services.config.timeouts.silence : 0;
  return async (c, body) => {
    const exchange = c.get('exchange');
    const call = await protocol.read(parseJson(body), exchange.key?.name ?? '');
    const prepared = await prepare(call, services, exchange);
    if (call.ready !== undefined) return sendJson(c, 200, call.ready, services.ledger.headers(prepared.dropped));
    const [asked] = call.requests;
    const head = headOf(exchange, asked.model || prepared.requests[0].model);
    const headersOf = (first: Omit<Asked, 'body'>): Record<string, string> => ({
      // What only the operator's rule asked for is not the client's loss.
      ...services.ledger.headers(
        [
          ...prepared.dropped,
          ...first.dropped.filter((field) => field !== 'reasoning_effort' || asked.think !== undefined),
        ].map(nameOf),
      ),
      ...(first.truncated && { 'x-llamaduct-truncated': 'true' }),
    });
    if (!call.stream) {
      const { first, bodies } = await askAll(prepared, services, exchange);
      const results = await wholeAnswers(bodies, prepared, services, exchange);
      const total = totalOf(results);
      const timing = serverTiming(total.timings);
      return sendJson(c, 200, call.respond(results, total, head), {
        ...headersOf(first),
        ...(timing !== '' && { 'server-timing': timing }),
      });
    }
    const { first, stream } = await patiently(exchange, silence, {
      begin: async () => await begin(prepared, call.encoder(head), services, exchange),
      unknown: { first: unknown },
      late: ({ first: known }) => added(headersOf(unknown), headersOf(known)),
      failure: (error) => call.encoder(head).fail(named(error, nameOf)),
    });
    return sendStream(c, 200, stream, {
      ...headersOf(first),
      'content-type': protocol.contentType,
      'cache-control': 'no-cache',
      // nginx would hold the stream back.
      'x-accel-buffering': 'no',
    });
  };
}

/** Before the upstream has answered. */
const unknown = { dropped: [], truncated: false };

/** What more headers say, or say otherwise. */
function added(before: Record<string, string>, after: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value));
}

/** A stream of an answer, and what is known of the request that got it. */
interface Begun {
  readonly first: Omit<Asked, 'body'>;
  readonly stream: ReadableStream<Uint8Array>;
}

/** Resolves with the first piece of the answer. @throws {GatewayError} when there is none */
async function begin(prepared: Prepared, encoder: Encoder, services: Services, exchange: Exchange): Promise<Begun> {
  const { first, bodies } = await askAll(prepared, services, exchange);
  const source = sourceOf(bodies, exchange);
  const translator = new Translator(decodersOf(prepared, services, source), encoder);
  return { first, stream: await relay(source, translator, exchange) };
}

function named(error: GatewayError, nameOf: (field: string) => string): GatewayError {
  return error.param === undefined ? error : error.about(nameOf(error.param));
}
