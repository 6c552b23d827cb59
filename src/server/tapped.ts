import type { Transformer } from 'node:stream/web';
import type { Context } from 'hono';
import { GatewayError } from '../errors.ts';
import type { UpstreamAnswer } from '../upstreams/client.ts';
import type { Env } from './respond.ts';
import type { Upstream } from './upstream.ts';
import { type Piece, Source } from './source.ts';

const newline = 10;

/**
 * The answer of an upstream as it is, with what was counted read along. It ends the exchange when it ends.
 *
 * @param failure where the answer is a stream of records: what is said between two of them when it breaks off
 */
export function tapped(
  c: Context<Env>,
  answer: UpstreamAnswer,
  upstream: Upstream,
  failure?: (error: GatewayError) => string,
): ReadableStream<Uint8Array> {
  type Controller = TransformStreamDefaultController<Uint8Array>;
  const exchange = c.get('exchange');
  const tap = upstream.backend.tap();
  const refused = answer.statusCode >= 400;
  const source = new Source([Promise.resolve(answer.body)], (bytes) => {
    // A refusal is nothing of an answer: it costs nobody tokens.
    if (!refused) exchange.chunk();
    tap.push(bytes);
  });
  let last: number | undefined;
  const finish = (controller: Controller): void => {
    const { finish: total, outcome } = tap.end();
    if (total !== undefined) exchange.measured(total);
    if (refused) return exchange.end(answer.statusCode >= 500 ? failed() : undefined);
    if (outcome === 'failed') return exchange.end(failed());
    const isStream = failure !== undefined;
    if (outcome === 'complete' && !(isStream && last === undefined)) return exchange.end();
    const error = new GatewayError('upstream_incomplete', 'The model stopped before its answer was complete.');
    if (isStream) breakOff(error, controller);
    else exchange.end(error);
  };
  const breakOff = (error: GatewayError, controller: Controller): void => {
    exchange.end(error);
    if (failure !== undefined && (last ?? newline) === newline) {
      controller.enqueue(Buffer.from(failure(error)));
      return controller.terminate();
    }
    // A clean end would look like a complete answer.
    if (c.env.outgoing === undefined) controller.error(error);
    else c.env.outgoing.destroy();
  };
  const transformer: Transformer<Piece, Uint8Array> = {
    transform: (piece, controller) => {
      switch (piece.type) {
        case 'bytes':
          last = piece.bytes.at(-1) ?? last;
          return controller.enqueue(piece.bytes);
        case 'end':
          return finish(controller);
        case 'broken':
          return breakOff(piece.error, controller);
        default:
          piece satisfies never;
      }
    },
    cancel: () => {
      exchange.clientLeft();
      exchange.end();
    },
  };
  return source.stream.pipeThrough(new TransformStream(transformer));
}

function failed(): GatewayError {
  return new GatewayError('upstream_error', 'The upstream failed.');
}
