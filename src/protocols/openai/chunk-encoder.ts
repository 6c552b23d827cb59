import type { ChatEvent } from '../../chat/event.ts';
import { serverTimingComment } from '../../chat/server-timing.ts';
import type { Encoder, TotalUsage } from '../../chat/stream.ts';
import type { GatewayError } from '../../errors.ts';
import { sseData } from '../../framing/sse.ts';
import { errorEvent } from './error.ts';
import { toUsage } from './usage.ts';

/** Encodes a stream of chunks with one choice each. The part that is the same in every chunk is serialised once. */
export abstract class ChunkEncoder implements Encoder {
  /** The text of a chunk before the JSON of its choice. */
  protected readonly chunkStart: string;
  /** The text of a chunk after the JSON of its choice. */
  protected readonly chunkEnd: string;
  readonly #includeUsage: boolean;

  /**
   * @param envelope the fields of a chunk besides `choices` and `usage`
   * @param includeUsage true when the client asked for a last chunk with the usage
   */
  constructor(envelope: object, includeUsage: boolean) {
    this.chunkStart = `data: ${JSON.stringify(envelope).slice(0, -1)},"choices":[`;
    this.chunkEnd = includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
    this.#includeUsage = includeUsage;
  }

  abstract write(event: ChatEvent, choice: number): string;

  /** @param choice its JSON */
  protected chunk(choice: string): string {
    return this.chunkStart + choice + this.chunkEnd;
  }

  /** The usage if requested, a comment with the server's timing, and `[DONE]`, which clients wait for. */
  end({ usage, timings }: TotalUsage): string {
    const usageChunk = `${this.chunkStart}],"usage":${JSON.stringify(toUsage(usage))}}\n\n`;
    return (this.#includeUsage ? usageChunk : '') + serverTimingComment(timings) + sseData('[DONE]');
  }

  fail(error: GatewayError): string {
    return errorEvent(error);
  }
}
