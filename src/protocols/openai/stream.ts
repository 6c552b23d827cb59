import type { Encoder, TotalUsage } from '../../chat/stream.ts';
import type { ChatEvent, Frame } from '../../chat/event.ts';
import { serverTiming } from '../../chat/server-timing.ts';
import type { GatewayError } from '../../errors.ts';
import { inLatin1 } from '../../framing/latin1.ts';
import { sseComment, sseData } from '../../framing/sse.ts';
import { openaiErrors } from './error.ts';
import { toUsage } from './usage.ts';

/** What all streams of chunks have in common. The part of a frame that never changes is written once. */
export abstract class ChunkEncoder implements Encoder {
  readonly #head: string;
  readonly #tail: string;
  readonly #includeUsage: boolean;

  /** @param envelope a chunk without its choices and its usage */
  constructor(envelope: object, includeUsage: boolean) {
    this.#head = `data: ${JSON.stringify(envelope).slice(0, -1)},"choices":[`;
    this.#tail = includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
    this.#includeUsage = includeUsage;
  }

  abstract write(event: ChatEvent, choice: number): string;

  /** A chunk around the JSON of a text. @param before of the JSON of one choice */
  protected frameOf(before: string, after: string): Frame {
    return { before: inLatin1(this.#head + before), after: inLatin1(after + this.#tail) };
  }

  /** @param choice the JSON of one choice */
  protected chunk(choice: string): string {
    return this.#head + choice + this.#tail;
  }

  /** The usage, where it was asked for; where the time went, as a comment that clients skip; the mark they wait for. */
  end({ usage, timings }: TotalUsage): string {
    const usageChunk = `${this.#head}],"usage":${JSON.stringify(toUsage(usage))}}\n\n`;
    const timing = serverTiming(timings);
    const comment = timing === '' ? '' : sseComment(`server-timing: ${timing}`);
    return (this.#includeUsage ? usageChunk : '') + comment + sseData('[DONE]');
  }

  fail(error: GatewayError): string {
    return errorFrame(error);
  }
}

/** An error in a stream. */
export function errorFrame(error: GatewayError): string {
  return sseData(JSON.stringify(openaiErrors.body(error)));
}
