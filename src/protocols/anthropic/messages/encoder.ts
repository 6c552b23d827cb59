import type { RawContentBlockDelta, RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages';
import type { ChatEvent, ToolCallEvent } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { SearchEvent } from '../../../chat/search.ts';
import { serverTimingComment } from '../../../chat/server-timing.ts';
import type { Encoder, TotalUsage } from '../../../chat/stream.ts';
import type { GatewayError } from '../../../errors.ts';
import { jsonLine } from '../../../framing/json.ts';
import { anthropicErrors } from '../error.ts';
import { maxCharacters, plainSignature, signatureWith } from '../../thinking-signature.ts';
import { type AnswerBlock, toToolUse } from './answer-blocks.ts';
import { type AnswerMessage, emptyMessage } from './response.ts';
import { toSearchResult, toSearchUse } from './search-blocks.ts';
import { toStop } from './stop-reason.ts';
import { toDeltaUsage } from './usage.ts';

/** The SDK's types lack the ping, and require fields of blocks and of the usage that are not sent. */
type StreamEvent =
  | Exclude<RawMessageStreamEvent, { type: 'message_start' | 'content_block_start' | 'message_delta' }>
  | (Omit<Extract<RawMessageStreamEvent, { type: 'message_delta' }>, 'usage'> & {
      usage: ReturnType<typeof toDeltaUsage>;
    })
  | { type: 'message_start'; message: AnswerMessage }
  | { type: 'content_block_start'; index: number; content_block: AnswerBlock }
  | { type: 'ping' };

/** The types of blocks that may have many deltas. */
type DeltaBlock = 'text' | 'thinking';

const emptyBlocks = {
  text: { type: 'text', text: '' },
  thinking: { type: 'thinking', thinking: '', signature: '' },
} as const satisfies Record<DeltaBlock, AnswerBlock>;

const emptyDeltas = {
  text: { type: 'text_delta', text: '' },
  thinking: { type: 'thinking_delta', thinking: '' },
} as const satisfies Record<DeltaBlock, RawContentBlockDelta>;

const ping = toText({ type: 'ping' });

/**
 * Milliseconds. Claude Code gives up after about five minutes in which its SDK yields no event, whatever pings come.
 *
 * @see https://code.claude.com/docs/en/network-config
 */
const maxUnyielded = 120_000;

/**
 * Encodes events as the events of a streamed message. One block is open at a time. All of a delta but its text is
 * serialised once per block, so a token costs one JSON.stringify of its text.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming
 */
export class MessageEncoder implements Encoder {
  /** The events before the first block; '' once they are written. */
  #start: string;
  #open: DeltaBlock | undefined;
  /** Index of the open block, or of the next one. */
  #index = 0;
  /** The event of a delta of the open block, up to the JSON of its text. */
  #deltaStart = '';
  #stop = toStop('stop');
  /** Number of web searches with results. */
  #searches = 0;
  readonly #head: AnswerHead;
  readonly #inputTokens: number;
  readonly #omitsThinking: boolean;
  /** The thinking of the open block that the client does not see. */
  #omitted = '';
  /** The time since which heartbeats between two blocks had no event that SDKs yield, on the clock of the head. */
  #onlyPingsSince: number | undefined;

  /**
   * @param inputTokens an estimate: the count is known only at the end, but clients show one from the beginning
   * @param omitsThinking true to put the thinking into its signature, for a client that does not want to see it
   */
  constructor(head: AnswerHead, inputTokens: number, omitsThinking = false) {
    this.#head = head;
    this.#omitsThinking = omitsThinking;
    this.#inputTokens = inputTokens;
    const message = emptyMessage(head, inputTokens);
    this.#start = toText({ type: 'message_start', message }) + ping;
  }

  write(event: ChatEvent): string {
    switch (event.type) {
      case 'text':
        return this.#delta('text', event.text);
      case 'reasoning':
        return this.#delta('thinking', event.text);
      case 'tool-call':
        return this.#toolUse(event);
      case 'finish':
        this.#stop = toStop(event.reason, event.stopSequence);
        return this.#takeStart() + this.#close();
      default:
        return event satisfies never;
    }
  }

  end({ usage, timings }: TotalUsage): string {
    const delta = { ...this.#stop, container: null };
    return (
      toText({ type: 'message_delta', delta, usage: toDeltaUsage(usage, this.#searches) }) +
      serverTimingComment(timings) +
      toText({ type: 'message_stop' })
    );
  }

  search(event: SearchEvent): string {
    switch (event.type) {
      case 'begun': {
        const block = toSearchUse(event.id, event.query);
        return this.#whole(
          { ...block, input: {} },
          { type: 'input_json_delta', partial_json: JSON.stringify(block.input) },
        );
      }
      case 'ended':
        if ('results' in event.search.outcome) this.#searches += 1;
        return this.#whole(toSearchResult(event.search));
      // A citation must quote the page, and what the model read of it is not known.
      case 'cited':
        return '';
      default:
        return event satisfies never;
    }
  }

  fail(error: GatewayError): string {
    return `event: error\ndata: ${jsonLine(anthropicErrors.body(error))}\n\n`;
  }

  /**
   * Returns a ping. Anthropic's SDKs hide pings, so clients that count the events of their SDK get an empty delta too: of the
   * open block, or now and then of the message.
   */
  keepAlive(): string {
    const start = this.#takeStart();
    if (start !== '') return start;
    return (this.#open === undefined ? this.#messageDelta() : `${this.#deltaStart}""}}\n\n`) + ping;
  }

  #messageDelta(): string {
    const now = this.#head.now();
    this.#onlyPingsSince ??= now;
    if (now - this.#onlyPingsSince < maxUnyielded) return '';
    this.#onlyPingsSince = now;
    const delta = { stop_reason: null, stop_sequence: null, stop_details: null, container: null };
    const usage = toDeltaUsage({ inputTokens: this.#inputTokens, outputTokens: 0 });
    return toText({ type: 'message_delta', delta, usage });
  }

  #takeStart(): string {
    const start = this.#start;
    this.#start = '';
    return start;
  }

  #delta(type: DeltaBlock, text: string): string {
    if (text === '') return '';
    const opening = this.#open === type ? '' : this.#takeStart() + this.#close() + this.#openBlock(type);
    if (type === 'thinking' && this.#omitsThinking) {
      // One that is too long is not sent.
      if (this.#omitted.length <= maxCharacters) this.#omitted += text;
      return opening;
    }
    return `${opening}${this.#deltaStart}${jsonLine(text)}}}\n\n`;
  }

  #openBlock(type: DeltaBlock): string {
    this.#open = type;
    this.#deltaStart = this.#blockDelta(emptyDeltas[type]).slice(0, -'""}}\n\n'.length);
    return toText({ type: 'content_block_start', index: this.#index, content_block: emptyBlocks[type] });
  }

  /** Closes the open block, if there is one. */
  #close(): string {
    if (this.#open === undefined) return '';
    const signature = this.#omitsThinking ? signatureWith(this.#omitted) : plainSignature;
    const signed = this.#open === 'thinking' ? this.#blockDelta({ type: 'signature_delta', signature }) : '';
    this.#open = undefined;
    this.#omitted = '';
    return signed + this.#stopBlock();
  }

  #stopBlock(): string {
    this.#onlyPingsSince = undefined;
    const stop = toText({ type: 'content_block_stop', index: this.#index });
    this.#index += 1;
    return stop;
  }

  /** Writes the arguments in one delta: backends send calls whole. */
  #toolUse(call: ToolCallEvent): string {
    const block = { ...toToolUse(call), input: {} };
    return this.#whole(block, { type: 'input_json_delta', partial_json: call.arguments });
  }

  /** Writes a block with at most one delta. */
  #whole(block: AnswerBlock, delta?: RawContentBlockDelta): string {
    return (
      this.#takeStart() +
      this.#close() +
      toText({ type: 'content_block_start', index: this.#index, content_block: block }) +
      (delta === undefined ? '' : this.#blockDelta(delta)) +
      this.#stopBlock()
    );
  }

  #blockDelta(delta: RawContentBlockDelta): string {
    return toText({ type: 'content_block_delta', index: this.#index, delta });
  }
}

function toText(event: StreamEvent): string {
  return `event: ${event.type}\ndata: ${jsonLine(event)}\n\n`;
}
