import type { ResourceProtocol } from '../chat/protocol.ts';
import { type RequestHandler, sendJson, sendText } from '../http/respond.ts';

/** Answers a request that needs no upstream. */
export function resourceHandler(protocol: ResourceProtocol): RequestHandler {
  return async (c) => {
    const answer = await protocol.answer({
      id: c.req.param('id') ?? '',
      query: new URL(c.req.url).searchParams,
      owner: c.get('exchange').key?.name ?? '',
    });
    return typeof answer === 'string' ? sendText(c, answer) : sendJson(c, 200, answer);
  };
}
