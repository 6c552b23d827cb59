import { type GatewayError, asGatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { sseComment } from '../framing/sse.ts';
import type { ResponseSink, ResponseStream } from './response-stream.ts';

type Headers = Readonly<Record<string, string>>;

interface HeartbeatOptions {
  readonly exchange: Exchange;
  /** Milliseconds of silence before the first heartbeat, and between two. */
  readonly interval: number;
  /** Returns events of the client's format that say nothing of the answer; '' if the format has none before it starts. */
  readonly keepAlive: () => string;
  /** Formats a remark about the answer as an event. Absent: it is a comment of SSE, beside which `keepAlive` is needed. */
  readonly comment?: (text: string) => string;
  /** Renders the error event of a stream that never starts. */
  readonly failure: (error: GatewayError) => string;
  /** True when the connection has to be broken after a failure. Absent: the stream ends cleanly. */
  readonly breaksConnection?: boolean;
  /** Renders the error once more, for an HTTP chunk of its own before the connection is broken. */
  readonly failureApart?: (error: GatewayError) => string;
}

/**
 * Writes heartbeats until an answer starts, so that neither the client nor a proxy in between times out; then pipes the
 * answer. Comments say where the request stands in the queue, and carry headers that were not known when the response
 * started.
 *
 * @param starting resolves with the answer and those headers
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
 */
export function writeHeartbeats(
  sink: ResponseSink,
  starting: Promise<{ readonly stream: ResponseStream; readonly lateHeaders: Headers }>,
  { exchange, interval, keepAlive, comment: given, failure, breaksConnection, failureApart }: HeartbeatOptions,
): void {
  const comment = given ?? sseComment;
  const waiting = (): string => comment(waitingText(exchange)) + (given === undefined ? keepAlive() : '');
  let beat = waiting;
  sink.write(beat());
  sink.written = false;
  keepStreamAlive(sink, () => beat(), { exchange, interval });
  starting.then(
    ({ stream, lateHeaders }) => {
      beat = () => stream.keepAlive();
      for (const [name, value] of Object.entries(lateHeaders)) sink.write(comment(`${name}: ${value}`));
      sink.pipe(stream);
    },
    (thrown: unknown) => {
      const error = asGatewayError(thrown);
      sink.write(failure(error));
      if (breaksConnection) sink.abort(error, failureApart?.(error));
      else sink.end(error);
    },
  );
}

/** Looks at a stream in each interval: the silence before a heartbeat is longer than the interval by one of them at most. */
const ticks = 4;

/**
 * Writes a heartbeat whenever nothing was written for an interval, and until the exchange ends.
 *
 * @param beat returns the heartbeat; '' if none can be written now
 */
export function keepStreamAlive(
  sink: ResponseSink,
  beat: () => string,
  { exchange, interval }: Pick<HeartbeatOptions, 'exchange' | 'interval'>,
): void {
  let silentTicks = 0;
  // A timer that starts anew with each token would cost more than one that looks some times in each interval.
  const timer = setInterval(() => {
    silentTicks = sink.written ? 0 : silentTicks + 1;
    sink.written = false;
    // A client that does not read would only have more to read later.
    if (silentTicks < ticks || !sink.ready) return;
    const text = beat();
    if (text === '') return;
    silentTicks = 0;
    sink.write(text);
    sink.written = false;
  }, interval / ticks);
  exchange.onEnd(() => clearInterval(timer));
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
