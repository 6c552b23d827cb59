import { type GatewayError, asGatewayError } from '../errors.ts';
import { withTimeout } from '../with-timeout.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { type ResponseStream, toWebStream } from './response-stream.ts';

interface Patience<Answer> {
  /** Resolves when there is something of the answer. */
  readonly begin: () => Promise<Answer>;
  /** What its headers would have said besides, had it begun in time. */
  readonly late: (answer: Answer) => Readonly<Record<string, string>>;
  /** How the client's stream tells that there will be no answer. */
  readonly failure: (error: GatewayError) => string;
}

/**
 * An answer as SSE; where it has not begun after `silence` milliseconds, a stream that says so until it does, with status 200.
 *
 * @param silence 0 for any time
 * @throws what `begin` throws in that time
 */
export async function patiently<Answer extends { readonly flow: ResponseStream }>(
  exchange: Exchange,
  silence: number,
  { begin, late, failure }: Patience<Answer>,
): Promise<Answer | { readonly stream: ReadableStream<Uint8Array> }> {
  const beginning = begin();
  const begun = silence === 0 ? await beginning : await withTimeout(silence, beginning);
  if (begun !== undefined) return begun;
  Object.assign(exchange.headers, placeHeaders(exchange));
  const answer = beginning.then((one) => ({ stream: toWebStream(one.flow), told: late(one) }));
  return { stream: waitingStream(answer, exchange, silence, failure) };
}

/**
 * A stream that has begun before its answer has: comments keep the client and all between from giving up on it, and tell
 * where it stands in the queue; then the answer itself. It ends the exchange where there is no answer.
 *
 * @param every milliseconds between two comments
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
 */
function waitingStream(
  answer: Promise<{ readonly stream: ReadableStream<Uint8Array>; readonly told: Readonly<Record<string, string>> }>,
  exchange: Exchange,
  every: number,
  failure: (error: GatewayError) => string,
): ReadableStream<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      const comment = (): void => {
        // A client that does not read gets no more of them.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(Buffer.from(`: ${standing(exchange)}\n\n`));
      };
      comment();
      timer = setInterval(comment, every);
      void answer.catch(() => undefined).finally(() => clearInterval(timer));
    },
    pull: async (controller) => {
      if (reader === undefined) {
        try {
          const { stream, told } = await answer;
          reader = stream.getReader();
          for (const [name, value] of Object.entries(told)) controller.enqueue(Buffer.from(`: ${name}: ${value}\n\n`));
        } catch (thrown) {
          const error = asGatewayError(thrown);
          controller.enqueue(Buffer.from(failure(error)));
          controller.close();
          exchange.end(error);
          return;
        }
      }
      // What it throws breaks this stream as well: there is nothing left to say between two events.
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      clearInterval(timer);
      exchange.onClientLeft();
      await reader?.cancel();
      exchange.end();
    },
  });
}

/** Where a request stands in the queue, and the seconds it is expected to wait. */
function placeHeaders({ queuePosition }: Exchange): Record<string, string> {
  const forecast = queuePosition?.();
  if (forecast === undefined) return {};
  return {
    'x-llamaduct-queue-position': String(forecast.position),
    'x-llamaduct-queue-expected-wait': String(Math.ceil(forecast.wait / 1000)),
  };
}

function standing({ queuePosition }: Exchange): string {
  const forecast = queuePosition?.();
  if (forecast === undefined) return 'waiting for the model';
  const { position, wait } = forecast;
  return `waiting, position ${position}, about ${Math.ceil(wait / 1000)} s`;
}
