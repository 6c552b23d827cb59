import type { GatewayError } from '../errors.ts';
import { transportError, type UpstreamAnswer } from '../upstreams/client.ts';

/** What is left of an answer after its end mark: bytes read, and milliseconds waited, to keep its connection. */
const afterlife = { limit: 64 * 1024, milliseconds: 500 };

/**
 * The body of an upstream's answer as a web stream that carries the pressure of its reader back to the upstream's
 * socket. A body that breaks closes the stream; `error` then says why, so that the reader can tell its client.
 */
export class Source {
  readonly stream: ReadableStream<Uint8Array>;
  error: GatewayError | undefined;
  /** Set when the answer is complete: cancelling then keeps the connection instead of closing it. */
  complete = false;

  /** @param onChunk sees each piece as it arrives */
  constructor(body: UpstreamAnswer['body'], onChunk: (bytes: Uint8Array) => void) {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        body.on('data', (bytes: Uint8Array) => {
          onChunk(bytes);
          controller.enqueue(bytes);
          if ((controller.desiredSize ?? 0) <= 0) body.pause();
        });
        body.on('end', () => controller.close());
        body.on('error', (error) => {
          this.error = transportError(error, 'in the middle of its answer');
          controller.close();
        });
        body.pause();
      },
      pull: () => {
        body.resume();
      },
      cancel: () => {
        // `on` handlers must not feed a controller that is gone.
        body
          .removeAllListeners('data')
          .removeAllListeners('end')
          .removeAllListeners('error')
          .on('error', () => undefined);
        if (!this.complete) body.destroy();
        else if (!body.readableEnded) void dump(body);
      },
    });
  }
}

async function dump(body: UpstreamAnswer['body']): Promise<void> {
  try {
    await body.dump({ limit: afterlife.limit, signal: AbortSignal.timeout(afterlife.milliseconds) });
  } catch {
    // The answer was complete; how its connection ends is nobody's concern.
  }
}
