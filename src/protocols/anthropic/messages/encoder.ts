import type { RawContentBlockDelta, RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { ChatEvent, ToolCallEvent } from '../../../chat/event.ts';
import { serverTiming } from '../../../chat/server-timing.ts';
import type { Encoder, TotalUsage } from '../../../chat/stream.ts';
import type { GatewayError } from '../../../errors.ts';
import { jsonLine } from '../../../framing/json.ts';
import { sseComment } from '../../../framing/sse.ts';
import { anthropicErrors } from '../error.ts';
import { type AnswerBlock, signature, toToolUse } from './blocks.ts';
import { type Answer, emptyMessage } from './response.ts';
import { toStop } from './stop-reason.ts';
import { toDeltaUsage } from './usage.ts';

/** The SDK's types leave out the ping, and say of blocks more than is sent. */
type Sent =
  | Exclude<RawMessageStreamEvent, { type: 'message_start' | 'content_block_start' }>
  | { type: 'message_start'; message: Answer }
  | { type: 'content_block_start'; index: number; content_block: AnswerBlock }
  | { type: 'ping' };

/** What may arrive in many pieces. */
type Growing = 'text' | 'thinking';

const empty = {
  text: { type: 'text', text: '' },
  thinking: { type: 'thinking', thinking: '', signature: '' },
} as const satisfies Record<Growing, AnswerBlock>;

/**
 * Events -> the events of a streamed message. One block is open at a time. The part of a frame that never changes is
 * written once a block, so a token costs one JSON.stringify of its text.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming
 */
export class MessageEncoder implements Encoder {
  /** '' once it is sent. */
  #start: string;
  #open: Growing | undefined;
  /** Of the block that is open, or else of the next one. */
  #index = 0;
  /** A delta of the open block up to its text. */
  #deltaHead = '';
  #stop = toStop('stop');

  /** @param inputTokens about how many: they are counted only in the end, and clients show them from the beginning */
  constructor(head: AnswerHead, inputTokens: number) {
    this.#start = frame({ type: 'message_start', message: emptyMessage(head, inputTokens) }) + frame({ type: 'ping' });
  }

  write(event: ChatEvent): string {
    switch (event.type) {
      case 'text':
        return this.#grow('text', event.text);
      case 'reasoning':
        return this.#grow('thinking', event.text);
      case 'tool-call':
        return this.#toolUse(event);
      case 'finish':
        this.#stop = toStop(event.reason, event.stopSequence);
        return this.#begin() + this.#close();
      default:
        return event satisfies never;
    }
  }

  /** Where the time went is a comment, which clients skip. */
  end({ usage, timings }: TotalUsage): string {
    const timing = serverTiming(timings);
    return (
      frame({ type: 'message_delta', delta: { ...this.#stop, container: null }, usage: toDeltaUsage(usage) }) +
      (timing === '' ? '' : sseComment(`server-timing: ${timing}`)) +
      frame({ type: 'message_stop' })
    );
  }

  fail(error: GatewayError): string {
    return `event: error\ndata: ${jsonLine(anthropicErrors.body(error))}\n\n`;
  }

  #begin(): string {
    const start = this.#start;
    this.#start = '';
    return start;
  }

  #grow(kind: Growing, text: string): string {
    if (text === '') return '';
    const opening = this.#open === kind ? '' : this.#begin() + this.#close() + this.#openBlock(kind);
    return `${opening}${this.#deltaHead}${jsonLine(text)}}}\n\n`;
  }

  #openBlock(kind: Growing): string {
    this.#open = kind;
    const delta = kind === 'text' ? this.#delta({ type: 'text_delta', text: '' }) : this.#delta(emptyThought);
    this.#deltaHead = delta.slice(0, -'""}}\n\n'.length);
    return frame({ type: 'content_block_start', index: this.#index, content_block: empty[kind] });
  }

  #close(): string {
    if (this.#open === undefined) return '';
    const signed = this.#open === 'thinking' ? this.#delta({ type: 'signature_delta', signature }) : '';
    this.#open = undefined;
    return signed + this.#stopBlock();
  }

  #stopBlock(): string {
    const stopped = frame({ type: 'content_block_stop', index: this.#index });
    this.#index += 1;
    return stopped;
  }

  /** A call is whole when it comes, so its input is one piece. */
  #toolUse(call: ToolCallEvent): string {
    const block = { ...toToolUse(call), input: {} };
    return (
      this.#begin() +
      this.#close() +
      frame({ type: 'content_block_start', index: this.#index, content_block: block }) +
      this.#delta({ type: 'input_json_delta', partial_json: call.arguments }) +
      this.#stopBlock()
    );
  }

  #delta(delta: RawContentBlockDelta): string {
    return frame({ type: 'content_block_delta', index: this.#index, delta });
  }
}

const emptyThought = { type: 'thinking_delta', thinking: '' } as const;

function frame(event: Sent): string {
  return `event: ${event.type}\ndata: ${jsonLine(event)}\n\n`;
}
