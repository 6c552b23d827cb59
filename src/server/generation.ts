import type { Handler } from 'hono';
import type { AnswerHead, ChatProtocol } from '../chat/contract.ts';
import type { ChatRequest } from '../chat/request.ts';
import { readError } from '../upstreams/read.ts';
import { parseJson, readBody } from './body.ts';
import { collect } from './collect.ts';
import type { Exchange } from './exchange.ts';
import { relay } from './relay.ts';
import { type Env, sendJson, sendStream } from './respond.ts';
import type { Services } from './services.ts';
import { Source } from './source.ts';
import { Translator } from './translator.ts';

/** Answers a chat of any dialect from the upstream, streamed or in one piece. */
export function chatHandler(protocol: ChatProtocol, services: Services): Handler<Env> {
  const { limits, timeouts } = services.config;
  const { backend } = services.upstream;
  return async (c) => {
    const exchange = c.get('exchange');
    const call = protocol.read(parseJson(await readBody(c.req.raw, limits.body, timeouts.body)));
    const head: AnswerHead = { id: exchange.id, created: Math.floor(Date.now() / 1000), model: call.request.model };
    const source = await ask(call.request, services, exchange);
    if (!call.stream) {
      const result = await collect(source, backend, limits);
      exchange.measured(result);
      return sendJson(c, 200, call.respond(result, head));
    }
    const translator = new Translator((emit) => backend.decoder(emit, limits.line), call.encoder(head));
    return sendStream(c, 200, await relay(source, translator, exchange), {
      'content-type': protocol.contentType,
      'cache-control': 'no-cache',
      // nginx would hold the stream back.
      'x-accel-buffering': 'no',
    });
  };
}

async function ask(request: ChatRequest, services: Services, exchange: Exchange): Promise<Source> {
  const { gatekeeper, upstream } = services;
  const { backend, catalog, client, name } = upstream;
  exchange.model = request.model;
  if (exchange.key !== undefined) gatekeeper.requireModel(exchange.key, request.model);
  catalog.learn(request.model);
  exchange.phase = 'waiting';
  exchange.upstream = name;
  const answer = await client.send({
    method: 'POST',
    path: backend.chatPath,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(backend.chatBody(request)),
    signal: exchange.signal,
  });
  if (answer.statusCode !== 200) throw await readError(answer, backend);
  return new Source(answer.body, () => exchange.chunk());
}
