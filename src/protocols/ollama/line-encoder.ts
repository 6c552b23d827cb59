import type { ChatEvent, FinishReason, TokenLogprob } from '../../chat/event.ts';
import type { AnswerHead } from '../../chat/protocol.ts';
import type { Encoder, TotalUsage } from '../../chat/stream.ts';
import type { GatewayError } from '../../errors.ts';
import { jsonLine } from '../../framing/json.ts';
import { toCounts, toDoneReason } from './done.ts';
import { errorLine } from './error.ts';
import { toLogprobs } from './logprobs.ts';
import { toToolCall } from './tool-call.ts';

export const ndjsonContentType = 'application/x-ndjson';

/** The part of a line that holds the answer's text: the JSON before the text's own, and the JSON after its siblings. */
export interface TextField {
  readonly before: string;
  readonly after: string;
}

/**
 * Encodes events as lines of JSON with their fields in Ollama's order. The part of a line that never changes is
 * serialised once, so a token costs one JSON.stringify of its text and a timestamp.
 *
 * @see https://docs.ollama.com/api/streaming
 */
export class LineEncoder implements Encoder {
  /** Open WebUI ignores error lines and shows the answer as complete. */
  readonly breaksConnection = true;
  readonly #head: AnswerHead;
  readonly #lineStart: string;
  readonly #beforeText: string;
  readonly #afterText: string;
  #toolCalls = 0;
  #finishReason: FinishReason = 'stop';
  /** The time of the first line, on the clock of the head. */
  #beganAt: number | undefined;

  constructor(head: AnswerHead, { before, after }: TextField) {
    this.#head = head;
    this.#lineStart = `{"model":${jsonLine(head.model)},"created_at":"`;
    this.#beforeText = `",${before}`;
    this.#afterText = `${after},`;
  }

  write(event: ChatEvent): string {
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return '';
        return this.#line(jsonLine(event.text), '', event.logprobs);
      case 'reasoning':
        return event.text === '' ? '' : this.#line('""', `,"thinking":${jsonLine(event.text)}`);
      case 'tool-call': {
        const call = toToolCall(event, this.#toolCalls);
        this.#toolCalls += 1;
        return this.#line('""', `,"tool_calls":[${jsonLine(call)}]`);
      }
      case 'finish':
        this.#finishReason = event.reason;
        return '';
      default:
        return event satisfies never;
    }
  }

  end(total: TotalUsage): string {
    const createdAt = this.#head.now();
    const counts = toCounts(total, this.#head, this.#beganAt);
    const done = { done: true, done_reason: toDoneReason(this.#finishReason), ...counts };
    return this.#withTime(createdAt) + this.#beforeText + '""' + this.#afterText + jsonLine(done).slice(1) + '\n';
  }

  fail(error: GatewayError): string {
    return errorLine(error);
  }

  /** @param text its JSON @param siblings JSON of the fields that follow it, each with a comma before it */
  #line(text: string, siblings: string, logprobs?: readonly TokenLogprob[]): string {
    const now = this.#head.now();
    this.#beganAt ??= now;
    const logprobsField = logprobs === undefined ? '' : `,"logprobs":${jsonLine(toLogprobs(logprobs))}`;
    return `${this.#withTime(now)}${this.#beforeText}${text}${siblings}${this.#afterText}"done":false${logprobsField}}\n`;
  }

  /** @returns the start of a line, up to the timestamp */
  #withTime(milliseconds: number): string {
    return this.#lineStart + new Date(milliseconds).toISOString();
  }
}
