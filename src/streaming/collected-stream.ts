import type { ChatResult } from '../chat/accumulator.ts';
import type { ChatEvent } from '../chat/event.ts';
import { asGatewayError } from '../errors.ts';
import { withQueueTime } from '../chat/server-timing.ts';
import type { Encoder } from '../chat/stream.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { MergedBodies } from './merged-bodies.ts';
import type { ResponseStream, Sink } from './response-stream.ts';

interface CollectedStreamOptions {
  readonly encoder: Encoder;
  /** Milliseconds that the request waited in the gateway's queue. */
  readonly queuedMs: number;
  /** Resolves when the complete answer is stored; the client gets its end after that. */
  readonly stored?: (() => Promise<void> | undefined) | undefined;
}

/** A streamed answer of which everything is known when it starts. */
export class CollectedStream implements ResponseStream {
  /** Without any body: the upstream has ended. */
  readonly bodies = new MergedBodies([], () => undefined);
  readonly #encoder: Encoder;
  readonly #text: string;
  readonly #stored: (() => Promise<void> | undefined) | undefined;

  /** @param results one for each choice */
  constructor(results: readonly ChatResult[], { encoder, queuedMs, stored }: CollectedStreamOptions) {
    this.#encoder = encoder;
    this.#stored = stored;
    const texts = results.flatMap((result, choice) => eventsOf(result).map((event) => encoder.write(event, choice)));
    const { usage, timings } = sumUsage(results);
    this.#text = texts.join('') + encoder.end({ usage, timings: withQueueTime(timings, queuedMs) });
  }

  start(sink: Sink): void {
    this.bodies.complete = true;
    const stored = this.#stored?.();
    if (stored === undefined) return this.#end(sink);
    stored.then(
      () => this.#end(sink),
      (thrown: unknown) => {
        const error = asGatewayError(thrown);
        sink.write(this.#encoder.fail(error));
        sink.end(error);
      },
    );
  }

  #end(sink: Sink): void {
    sink.write(this.#text);
    sink.end();
  }

  write(): void {
    // No chunk follows.
  }

  keepAlive(): string {
    return '';
  }
}

function eventsOf(result: ChatResult): ChatEvent[] {
  const { reasoning, text, logprobs, toolCalls, finishReason: reason, stopSequence, usage, timings } = result;
  return [
    ...(reasoning === '' ? [] : [{ type: 'reasoning', text: reasoning } as const]),
    ...(text === '' ? [] : [{ type: 'text', text, ...(logprobs.length > 0 && { logprobs }) } as const]),
    ...toolCalls,
    { type: 'finish', reason, ...(stopSequence !== undefined && { stopSequence }), usage, timings },
  ];
}
