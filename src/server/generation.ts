import type { ChatResult } from '../chat/fold.ts';
import type { GenerationProtocol } from '../chat/protocol.ts';
import { serverTiming } from '../chat/server-timing.ts';
import { totalOf } from '../chat/total.ts';
import { GatewayError } from '../errors.ts';
import { type Asked, ask } from './ask.ts';
import { type BodyHandler, parseJson } from './body.ts';
import { collect } from './collect.ts';
import { decodersOf } from './decoders.ts';
import type { Exchange } from './exchange.ts';
import { headOf } from './head.ts';
import { type Prepared, prepare } from './prepare.ts';
import { relay } from './relay.ts';
import { sendJson, sendStream } from './respond.ts';
import type { Services } from './services.ts';
import { Source } from './source.ts';
import { Translator } from './translator.ts';
import { anew, followsSchema } from './validation.ts';

/** Answers a generation request of any dialect from the upstream, streamed or in one piece. */
export function generationHandler(protocol: GenerationProtocol, services: Services): BodyHandler {
  const { fieldNames = {} } = protocol;
  const nameOf = (field: string): string => (Object.hasOwn(fieldNames, field) ? (fieldNames[field] ?? field) : field);
  const answer = answerer(protocol, services, nameOf);
  return async (c, body) => {
    try {
      return await answer(c, body);
    } catch (error) {
      if (error instanceof GatewayError && error.param !== undefined) throw error.about(nameOf(error.param));
      throw error;
    }
  };
}

/** @param nameOf what the client's dialect calls a field */
function answerer(protocol: GenerationProtocol, services: Services, nameOf: (field: string) => string): BodyHandler {
  return async (c, body) => {
    const exchange = c.get('exchange');
    const call = await protocol.read(parseJson(body), exchange.key?.name ?? '');
    const prepared = await prepare(call, services, exchange);
    if (call.ready !== undefined) return sendJson(c, 200, call.ready, services.ledger.headers(prepared.dropped));
    const [asked] = call.requests;
    const head = headOf(exchange, asked.model || prepared.requests[0].model);
    const { first, bodies } = await askAll(prepared, services, exchange);
    const headers = {
      // What only the operator's rule asked for is not the client's loss.
      ...services.ledger.headers(
        [
          ...prepared.dropped,
          ...first.dropped.filter((field) => field !== 'reasoning_effort' || asked.think !== undefined),
        ].map(nameOf),
      ),
      ...(first.truncated && { 'x-llamaduct-truncated': 'true' }),
    };
    if (!call.stream) {
      const results = await wholeAnswers(bodies, prepared, services, exchange);
      const total = totalOf(results);
      const timing = serverTiming(total.timings);
      return sendJson(c, 200, call.respond(results, total, head), {
        ...headers,
        ...(timing !== '' && { 'server-timing': timing }),
      });
    }
    const source = sourceOf(bodies, exchange);
    const translator = new Translator(decodersOf(prepared, services, source), call.encoder(head));
    return sendStream(c, 200, await relay(source, translator, exchange), {
      ...headers,
      'content-type': protocol.contentType,
      'cache-control': 'no-cache',
      // nginx would hold the stream back.
      'x-accel-buffering': 'no',
    });
  };
}

type Bodies = readonly Promise<Asked['body']>[];

/**
 * Asks for every choice at once, and waits for the first to begin: an upstream may serve one after the other. A choice
 * that fails later breaks the answer then.
 *
 * @throws {GatewayError} when a choice is refused before any began
 */
async function askAll(
  { requests, mayTruncate }: Prepared,
  services: Services,
  exchange: Exchange,
): Promise<{ first: Asked; bodies: Bodies }> {
  exchange.phase = 'waiting';
  exchange.upstream = services.upstream.name;
  const asked = requests.map(async (request) => await ask(request, mayTruncate, services, exchange.signal));
  for (const one of asked) one.catch(() => undefined);
  return { first: await Promise.race(asked), bodies: asked.map(async (one) => (await one).body) };
}

function sourceOf(bodies: Bodies, exchange: Exchange): Source {
  return new Source(bodies, () => exchange.chunk());
}

async function wholeAnswers(
  bodies: Bodies,
  prepared: Prepared,
  services: Services,
  exchange: Exchange,
): Promise<readonly ChatResult[]> {
  const { config } = services;
  const collected = async (some: Bodies, of: Prepared): Promise<ChatResult[]> => {
    const source = sourceOf(some, exchange);
    const results = await collect(source, decodersOf(of, services, source), config.limits.body);
    exchange.measured(totalOf(results));
    return results;
  };
  const results = await collected(bodies, prepared);
  if (!config.validate_json) return results;
  return await Promise.all(
    results.map(async (result, choice) => {
      const request = prepared.requests[choice];
      if (request === undefined || followsSchema(request, result)) return result;
      const another = anew(request);
      const { body } = await ask(another, prepared.mayTruncate, services, exchange.signal);
      const stops = [prepared.stops[choice] ?? []];
      const [again] = await collected([Promise.resolve(body)], { ...prepared, requests: [another], stops });
      if (again !== undefined && followsSchema(request, again)) return again;
      throw new GatewayError('upstream_error', "The model's answer does not follow the schema that was asked for.");
    }),
  );
}
