import { type GatewayError, asGatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { ResponseSink, ResponseStream } from './response-stream.ts';

type Headers = Readonly<Record<string, string>>;

interface HeartbeatOptions {
  readonly exchange: Exchange;
  /** Milliseconds between two comments. */
  readonly interval: number;
  /** Renders the error event of a stream that never starts. */
  readonly failure: (error: GatewayError) => string;
}

/**
 * Writes SSE comments until an answer starts, so that neither the client nor a proxy in between times out; then pipes the
 * answer. The comments say where the request stands in the queue, and carry headers that were not known when the response
 * started.
 *
 * @param starting resolves with the answer and those headers
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
 */
export function writeHeartbeats(
  sink: ResponseSink,
  starting: Promise<{ readonly stream: ResponseStream; readonly lateHeaders: Headers }>,
  { exchange, interval, failure }: HeartbeatOptions,
): void {
  const beat = (): void => {
    // A client that does not read would only have more to read later.
    if (sink.ready) sink.write(`: ${waitingText(exchange)}\n\n`);
  };
  beat();
  const timer = setInterval(beat, interval);
  exchange.onEnd(() => clearInterval(timer));
  starting.then(
    ({ stream, lateHeaders }) => {
      clearInterval(timer);
      for (const [name, value] of Object.entries(lateHeaders)) sink.write(`: ${name}: ${value}\n\n`);
      sink.pipe(stream);
    },
    (thrown: unknown) => {
      const error = asGatewayError(thrown);
      sink.write(failure(error));
      sink.end(error);
    },
  );
}

/** The request's position in the queue, and the seconds it is expected to wait. */
export function queueHeaders({ queuePosition }: Exchange): Record<string, string> {
  const forecast = queuePosition?.();
  if (forecast === undefined) return {};
  return {
    'x-llamaduct-queue-position': String(forecast.position),
    'x-llamaduct-queue-expected-wait': String(Math.ceil(forecast.wait / 1000)),
  };
}

function waitingText({ queuePosition }: Exchange): string {
  const forecast = queuePosition?.();
  if (forecast === undefined) return 'waiting for the model';
  return `waiting, position ${forecast.position}, about ${Math.ceil(forecast.wait / 1000)} s`;
}
