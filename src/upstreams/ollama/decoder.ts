import type { ChatResponse, GenerateResponse, Message } from 'ollama';
import type { Decoder } from '../../chat/stream.ts';
import type { Emit, FinishReason } from '../../chat/event.ts';
import { GatewayError, stoppedEarly } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { LineSplitter } from '../../framing/ndjson.ts';
import { CallIds } from '../call-ids.ts';
import { readLogprobs } from '../logprobs.ts';
import { argumentsText, parseCalls, text } from '../coerce.ts';
import { readUsage } from './usage.ts';
import { streamError } from './error.ts';
import { framedTokens, tokenOfLine } from './fast-path.ts';

/**
 * A line of a streamed answer: `/api/chat` has a message, `/api/generate` a response. Any field may be missing or of
 * another type, and an error takes the place of all of them.
 */
type Line = Partial<Record<keyof ChatResponse | keyof GenerateResponse | 'error', unknown>>;
type WireMessage = Partial<Record<keyof Message, unknown>>;

/**
 * Reads the NDJSON of a streamed `/api/chat` or `/api/generate`. What the servers do beyond their documentation, each
 * seen in a recording: the `done` line may carry content, thinking and tool calls; ids and indices of calls may be
 * missing or repeat; a stream may end cleanly without a `done` line; an error line comes with status 200.
 *
 * @see https://docs.ollama.com/api/chat
 */
export class OllamaDecoder implements Decoder {
  readonly #emit: Emit;
  readonly #lines: LineSplitter;
  readonly #callIds = new CallIds();
  #done = false;

  /** @param maxLineBytes a longer line fails the answer */
  constructor(emit: Emit, maxLineBytes: number) {
    this.#emit = emit;
    this.#lines = new LineSplitter(
      maxLineBytes,
      (line) => this.#readLine(line),
      (lines) => this.#passOn(lines),
    );
  }

  push(bytes: Buffer): void {
    // What follows the done line is not part of the answer.
    if (!this.#done) this.#lines.push(bytes);
  }

  end(): void {
    if (!this.#done) this.#lines.end();
    if (!this.#done) throw stoppedEarly();
  }

  /** @returns how many bytes of lines, from their beginning, need not be read: texts that are passed on as they are */
  #passOn(lines: Buffer): number {
    if (this.#done) return lines.length;
    const { verbatim } = this.#emit;
    const frame = verbatim?.frame();
    if (verbatim === undefined || frame === undefined) return 0;
    const { texts, length } = framedTokens(lines, frame);
    if (texts !== '') verbatim.take(texts);
    return length;
  }

  #readLine(json: string): void {
    if (this.#done) return;
    const token = tokenOfLine(json);
    if (token !== undefined) {
      if (token !== '') this.#emit({ type: 'text', text: token });
      return;
    }
    const line = parseLine(json);
    if (line.error !== undefined) throw streamError(line.error);
    const message: WireMessage | undefined = isObject(line.message) ? line.message : undefined;
    const logprobs = readLogprobs(line.logprobs);
    const thinking = text((message ?? line).thinking);
    const content = text(message === undefined ? line.response : message.content);
    if (thinking !== '') {
      // Its log probabilities have no place in OpenAI's API, where they are those of the content.
      this.#emit({ type: 'reasoning', text: thinking });
    }
    if (content !== '' || (logprobs.length > 0 && thinking === '')) {
      this.#emit({ type: 'text', text: content, ...(logprobs.length > 0 && { logprobs }) });
    }
    const calls = message?.tool_calls;
    if (calls != null && !(Array.isArray(calls) && calls.length === 0)) this.#readToolCalls(json);
    if (line.done === true) this.#finish(line);
  }

  /** Parses the line once more, so that no number in the arguments loses digits. Once a call, not once a token. */
  #readToolCalls(json: string): void {
    const { message } = parseCalls(json) as { message: WireMessage };
    const calls: unknown = message.tool_calls;
    if (!Array.isArray(calls) || !calls.every(isObject)) {
      throw new GatewayError('upstream_protocol_error', 'The upstream sent tool calls that cannot be read.');
    }
    for (const { id, function: given } of calls) {
      const { name, arguments: args } = isObject(given) ? given : {};
      if (typeof name !== 'string' || name === '') {
        throw new GatewayError('upstream_protocol_error', 'The upstream sent a tool call without a name.');
      }
      this.#emit({
        type: 'tool-call',
        id: this.#callIds.unique(id),
        name,
        // Some models' arguments arrive as text already.
        arguments: argumentsText(typeof args === 'string' ? args : JSON.stringify(args ?? {})),
      });
    }
  }

  #finish(line: Line): void {
    this.#done = true;
    this.#emit({ type: 'finish', reason: this.#finishReason(line.done_reason), ...readUsage(line) });
  }

  /** An answer cut at its length stays `length`, calls or not: its last call may be missing. */
  #finishReason(doneReason: unknown): FinishReason {
    if (doneReason === 'length') return 'length';
    return this.#callIds.size > 0 ? 'tool_calls' : 'stop';
  }
}

function parseLine(text: string): Line {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent a line that is not JSON.', { cause });
  }
  if (!isObject(line)) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent a line that is not an object.');
  }
  return line;
}
