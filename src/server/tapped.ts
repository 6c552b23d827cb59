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
 * @param failure what is said between two lines where llamaduct itself ends the answer
 */
export function tapped(
  c: Context<Env>,
  answer: UpstreamAnswer,
  upstream: Upstream,
  failure?: (error: GatewayError) => string,
): ReadableStream<Uint8Array> {
  const exchange = c.get('exchange');
  const tap = upstream.backend.tap();
  const source = new Source([Promise.resolve(answer.body)], (bytes) => {
    // A refusal is nothing of an answer: it costs nobody tokens.
    if (answer.statusCode < 400) exchange.chunk();
    tap.push(bytes);
  });
  const finish = (): void => {
    const { finish: total, failed } = tap.end();
    if (total !== undefined) exchange.measured(total);
    const broken = answer.statusCode >= 500 || (failed && answer.statusCode < 400);
    exchange.end(broken ? new GatewayError('upstream_error', 'The upstream failed.') : undefined);
  };
  let last: number = newline;
  const transformer: Transformer<Piece, Uint8Array> = {
    transform: (piece, controller) => {
      switch (piece.type) {
        case 'bytes':
          last = piece.bytes.at(-1) ?? last;
          return controller.enqueue(piece.bytes);
        case 'end':
          return finish();
        case 'broken':
          exchange.end(piece.error);
          if (failure !== undefined && last === newline && piece.error.code === 'shutting_down') {
            controller.enqueue(Buffer.from(failure(piece.error)));
            return controller.terminate();
          }
          // A clean end would look like a complete answer.
          if (c.env.outgoing === undefined) controller.error(piece.error);
          else c.env.outgoing.destroy();
          return;
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
