import type { AnswerHead } from '../../chat/protocol.ts';
import type { ChatEvent, FinishReason, TokenLogprob } from '../../chat/event.ts';
import type { Encoder, TotalUsage } from '../../chat/stream.ts';
import type { GatewayError } from '../../errors.ts';
import { doneReason, toCounts } from './done.ts';
import { jsonLine } from '../../framing/json.ts';
import { ollamaErrors } from './error.ts';
import { toLogprobs } from './logprobs.ts';
import { toToolCall } from './tool-call.ts';

export const ndjsonContentType = 'application/x-ndjson';

/** Where the text of an answer stands in a line: what comes before it, and what after it and its companions. */
export interface TextPlace {
  readonly before: string;
  readonly after: string;
}

/**
 * Events -> lines of a stream, in the order of fields of Ollama's own. The part of a line that never changes is written
 * once, so a token costs one JSON.stringify of its text and a time.
 *
 * @see https://docs.ollama.com/api/streaming
 */
export class LineEncoder implements Encoder {
  readonly #head: AnswerHead;
  readonly #opening: string;
  readonly #before: string;
  readonly #after: string;
  #calls = 0;
  #reason: FinishReason = 'stop';
  /** When the answer began to arrive. */
  #beganAt: number | undefined;

  constructor(head: AnswerHead, { before, after }: TextPlace) {
    this.#head = head;
    this.#opening = `{"model":${jsonLine(head.model)},"created_at":"`;
    this.#before = `",${before}`;
    this.#after = `${after},`;
  }

  write(event: ChatEvent): string {
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return '';
        return this.#line(jsonLine(event.text), '', event.logprobs);
      case 'reasoning':
        return event.text === '' ? '' : this.#line('""', `,"thinking":${jsonLine(event.text)}`);
      case 'tool-call': {
        const call = toToolCall(event, this.#calls);
        this.#calls += 1;
        return this.#line('""', `,"tool_calls":[${jsonLine(call)}]`);
      }
      case 'finish':
        this.#reason = event.reason;
        return '';
      default:
        return event satisfies never;
    }
  }

  end(total: TotalUsage): string {
    const now = this.#head.now();
    const rest = { done: true, done_reason: doneReason(this.#reason), ...toCounts(total, this.#head, this.#beganAt) };
    return this.#at(now) + this.#before + '""' + this.#after + jsonLine(rest).slice(1) + '\n';
  }

  fail(error: GatewayError): string {
    return `${jsonLine(ollamaErrors.body(error))}\n`;
  }

  /** @param text as JSON @param companions fields that follow it, as JSON with their commas */
  #line(text: string, companions: string, logprobs?: readonly TokenLogprob[]): string {
    const now = this.#head.now();
    this.#beganAt ??= now;
    const rest = logprobs === undefined ? '"done":false}\n' : `"done":false,"logprobs":${toLogprobsJson(logprobs)}}\n`;
    return this.#at(now) + this.#before + text + companions + this.#after + rest;
  }

  #at(milliseconds: number): string {
    return this.#opening + new Date(milliseconds).toISOString();
  }
}

function toLogprobsJson(logprobs: readonly TokenLogprob[]): string {
  return jsonLine(toLogprobs(logprobs));
}
