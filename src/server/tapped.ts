import type { Transformer } from 'node:stream/web';
import type { Context } from 'hono';
import { GatewayError } from '../errors.ts';
import type { UpstreamAnswer } from '../upstreams/client.ts';
import type { Env } from './respond.ts';
import type { Upstream } from './services.ts';
import { type Piece, Source } from './source.ts';

/** The answer of an upstream as it is, with what was counted read along. It ends the exchange when it ends. */
export function tapped(c: Context<Env>, answer: UpstreamAnswer, upstream: Upstream): ReadableStream<Uint8Array> {
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
  const transformer: Transformer<Piece, Uint8Array> = {
    transform: (piece, controller) => {
      switch (piece.type) {
        case 'bytes':
          return controller.enqueue(piece.bytes);
        case 'end':
          return finish();
        case 'broken':
          exchange.end(piece.error);
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
