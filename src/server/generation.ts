import type { Handler } from 'hono';
import type { AnswerHead, Decoder, GenerationProtocol } from '../chat/contract.ts';
import type { ChatEvent } from '../chat/event.ts';
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
    const call = protocol.read(parseJson(await readBody(c.req.raw, limits.body, timeouts.body)));
    const prepared = await prepare(call, services, exchange);
    const { requests } = call;
    const head: AnswerHead = {
      id: exchange.id,
      created: Math.floor(Date.now() / 1000),
      model: requests[0].model || prepared.requests[0].model,
    };
    const asked = await askAll(prepared, services, exchange);
    const headers = {
      ...dropped([...prepared.dropped, ...asked.flatMap((answer) => answer.dropped)], services.metrics),
      ...(asked.some(({ truncated }) => truncated) && { 'x-llamaduct-truncated': 'true' }),
    };
    if (!call.stream) {
      const results = await wholeAnswers(asked, prepared, services, exchange);
      const total = totalOf(results);
      const timing = serverTiming(total.timings);
      return sendJson(c, 200, call.respond(results, total, head), {
        ...headers,
        ...(timing !== '' && { 'server-timing': timing }),
      });
    }
    const translator = new Translator(decodersOf(asked, prepared, services), call.encoder(head));
    return sendStream(c, 200, await relay(sourceOf(asked, exchange), translator, exchange), {
      ...headers,
      'content-type': protocol.contentType,
      'cache-control': 'no-cache',
      // nginx would hold the stream back.
      'x-accel-buffering': 'no',
    });
  };
}

/** Asks for every choice at once; where one is refused, the others end. */
async function askAll(
  { requests, mayTruncate }: Prepared,
  services: Services,
  exchange: Exchange,
): Promise<readonly Asked[]> {
  exchange.phase = 'waiting';
  exchange.upstream = services.upstream.name;
  const others = new AbortController();
  const signal = requests.length === 1 ? exchange.signal : AbortSignal.any([exchange.signal, others.signal]);
  try {
    return await Promise.all(requests.map(async (request) => await ask(request, mayTruncate, services, signal)));
  } catch (error) {
    others.abort(error);
    throw error;
  }
}

function sourceOf(asked: readonly Asked[], exchange: Exchange): Source {
  return new Source(
    asked.map(({ body }) => body),
    () => exchange.chunk(),
  );
}

type DecoderMaker = (emit: (event: ChatEvent) => void) => Decoder;

function decodersOf(
  asked: readonly Asked[],
  { hideThinking }: Prepared,
  { config, upstream }: Services,
): DecoderMaker[] {
  return asked.map(
    ({ request }) =>
      (emit) =>
        upstream.backend.decoder(request, hideThinking ? withoutReasoning(emit) : emit, config.limits.line),
  );
}

async function wholeAnswers(
  asked: readonly Asked[],
  prepared: Prepared,
  services: Services,
  exchange: Exchange,
): Promise<readonly ChatResult[]> {
  const collected = async (answers: readonly Asked[]): Promise<ChatResult[]> => {
    const source = sourceOf(answers, exchange);
    const results = await collect(source, decodersOf(answers, prepared, services), services.config.limits.body);
    exchange.measured(totalOf(results));
    return results;
  };
  const results = await collected(asked);
  if (!services.config.validate_json) return results;
  return await Promise.all(
    results.map(async (result, choice) => {
      const request = asked[choice]?.request;
      if (request === undefined || followsSchema(request, result)) return result;
      const [again] = await collected([await ask(anew(request), prepared.mayTruncate, services, exchange.signal)]);
      if (again !== undefined && followsSchema(request, again)) return again;
      throw new GatewayError('upstream_error', "The model's answer does not follow the schema that was asked for.");
    }),
  );
}
