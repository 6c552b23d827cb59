import { asGatewayError, invalidValue } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { sseComment, sseData } from '../framing/sse.ts';
import { type Handler, openEventStream, sendJson } from '../http/respond.ts';
import { type Key, anonymous } from '../policy/keys.ts';
import type { Services } from '../services.ts';
import { StatusBoard } from '../status/board.ts';

/** Milliseconds between two looks at what has changed. */
const interval = 500;

/** Milliseconds of silence after which a comment is sent. */
const maxSilence = 10_000;

/**
 * Reports what runs and what waits, the servers, limits and errors: everything for a key with the admin scope, and what is its
 * own for any other.
 *
 * With `stream=true`, or for a client that accepts only `text/event-stream`, the answer is a stream of server-sent events: first
 * the whole state, then objects of the members that have changed.
 */
export function statusHandler(services: Services): Handler {
  const board = new StatusBoard(services);
  return async (c) => {
    const exchange = c.get('exchange');
    const wantsEvents = readStream(c.req.query('stream')) ?? c.req.header('accept') === 'text/event-stream';
    if (!wantsEvents || c.req.method === 'HEAD') {
      return sendJson(c, 200, await board.read(exchange.key ?? anonymous, exchange.admitted?.owner));
    }
    const { sink, response } = openEventStream(c);
    sendChanges(sink, exchange, { board, services }).catch((error: unknown) => sink.abort(asGatewayError(error)));
    return response;
  };
}

/** @throws {GatewayError} 400 for another value than true and false */
function readStream(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text !== 'true' && text !== 'false') throw invalidValue('stream', 'stream must be true or false.');
  return text === 'true';
}

interface Source {
  readonly board: StatusBoard;
  readonly services: Pick<Services, 'exchanges' | 'gatekeeper'>;
}

type Sink = ReturnType<typeof openEventStream>['sink'];

/** Sends what has changed until the client leaves, the service stops, or the key may not look any more. */
async function sendChanges(sink: Sink, exchange: Exchange, { board, services }: Source): Promise<void> {
  let sent: ReadonlyMap<string, string> = new Map();
  let quietSince = performance.now();
  while (!exchange.signal.aborted) {
    const key = keyNow(exchange, services);
    if (key === undefined || services.exchanges.stopping) return sink.end();
    // A client that does not read gets the latest state once it does.
    if (sink.ready) {
      const members = Object.entries(await board.read(key, exchange.admitted?.owner)).map(
        ([name, value]) => [name, JSON.stringify(value)] as const,
      );
      const changed = members.filter(([name, json]) => sent.get(name) !== json);
      sent = new Map(members);
      if (changed.length > 0) sink.write(sseData(`{${changed.map(([name, json]) => `"${name}":${json}`).join(',')}}`));
      else if (performance.now() - quietSince >= maxSilence) sink.write(sseComment('no change'));
      if (sink.written) quietSince = performance.now();
      sink.written = false;
    }
    await pause(exchange);
  }
  sink.end(asGatewayError(exchange.signal.reason));
}

/** @returns the key with its current rights; undefined if it is not valid any more */
function keyNow({ key, client }: Exchange, { gatekeeper }: Pick<Services, 'gatekeeper'>): Key | undefined {
  try {
    return gatekeeper.recheck({ key: key ?? anonymous, client, modelNames: undefined, runsModel: false });
  } catch {
    return undefined;
  }
}

/** Resolves after the interval, or when the exchange ends. */
async function pause(exchange: Exchange): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, interval);
  const onAbort = (): void => resolve();
  exchange.signal.addEventListener('abort', onAbort);
  await promise;
  clearTimeout(timer);
  exchange.signal.removeEventListener('abort', onAbort);
}
