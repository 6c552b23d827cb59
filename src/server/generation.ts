import type { Handler } from 'hono';
import type { AnswerHead, DecoderMaker, GenerationProtocol } from '../chat/contract.ts';
import type { ChatResult } from '../chat/fold.ts';
import { serverTiming } from '../chat/server-timing.ts';
import { withoutReasoning } from '../chat/stages.ts';
import { totalOf } from '../chat/total.ts';
import { GatewayError } from '../errors.ts';
import { type Asked, ask } from './ask.ts';
import { parseJson, readBody } from './body.ts';
import { collect } from './collect.ts';
import type { Exchange } from './exchange.ts';
import { dropped } from './ledger.ts';
import { type Prepared, prepare } from './prepare.ts';
import { relay } from './relay.ts';
import { type Env, sendJson, sendStream } from './respond.ts';
import type { Services } from './services.ts';
import { Source } from './source.ts';
import { Translator } from './translator.ts';
import { anew, followsSchema } from './validation.ts';

/** Answers a generation request of any dialect from the upstream, streamed or in one piece. */
export function generationHandler(protocol: GenerationProtocol, services: Services): Handler<Env> {
  const { limits, timeouts } = services.config;
  return async (c) => {
    const exchange = c.get('exchange');
    const call = protocol.read(parseJson(await readBody(c.req.raw, limits.body, timeouts.body, exchange.signal)));
    const prepared = await prepare(call, services, exchange);
    const { requests } = call;
    const head: AnswerHead = {
      id: exchange.id,
      created: Math.floor(Date.now() / 1000),
      model: requests[0].model || prepared.requests[0].model,
    };
    const { first, bodies } = await askAll(prepared, services, exchange);
    const headers = {
      // What only the operator's rule asked for is not the client's loss.
      ...dropped([...prepared.dropped, ...(requests[0].think === undefined ? [] : first.dropped)], services.metrics),
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
    const translator = new Translator(decodersOf(prepared, services), call.encoder(head));
    return sendStream(c, 200, await relay(sourceOf(bodies, exchange), translator, exchange), {
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

function decodersOf({ requests, hideThinking }: Prepared, { config, upstream }: Services): DecoderMaker[] {
  return requests.map(
    (request) => (emit) =>
      upstream.backend.decoder(request, hideThinking ? withoutReasoning(emit) : emit, config.limits.line),
  );
}

async function wholeAnswers(
  bodies: Bodies,
  prepared: Prepared,
  services: Services,
  exchange: Exchange,
): Promise<readonly ChatResult[]> {
  const { config } = services;
  const collected = async (some: Bodies, requests: Prepared['requests']): Promise<ChatResult[]> => {
    const decoders = decodersOf({ ...prepared, requests }, services);
    const results = await collect(sourceOf(some, exchange), decoders, config.limits.body);
    exchange.measured(totalOf(results));
    return results;
  };
  const results = await collected(bodies, prepared.requests);
  if (!config.validate_json) return results;
  return await Promise.all(
    results.map(async (result, choice) => {
      const request = prepared.requests[choice];
      if (request === undefined || followsSchema(request, result)) return result;
      const another = anew(request);
      const { body } = await ask(another, prepared.mayTruncate, services, exchange.signal);
      const [again] = await collected([Promise.resolve(body)], [another]);
      if (again !== undefined && followsSchema(request, again)) return again;
      throw new GatewayError('upstream_error', "The model's answer does not follow the schema that was asked for.");
    }),
  );
}
