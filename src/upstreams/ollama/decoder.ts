import type { ChatResponse, GenerateResponse } from 'ollama';
import type { Decoder } from '../../chat/stream.ts';
import type { Emit, FinishReason, TokenLogprob } from '../../chat/event.ts';
import { GatewayError } from '../../errors.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { LineSplitter } from '../../framing/ndjson.ts';
import { CallIds } from '../call-ids.ts';
import { counted } from './counted.ts';
import { streamError } from './error.ts';

/**
 * A line of a streamed answer: `/api/chat` has a message, `/api/generate` a response. Any field may be missing, and an
 * error takes the place of all of them.
 */
type Line = Partial<Omit<ChatResponse, 'message'> & Pick<GenerateResponse, 'response' | 'thinking'>> & {
  message?: {
    content?: string;
    thinking?: string;
    tool_calls?: { id?: string; function?: { name?: string; arguments?: unknown } }[];
  };
  error?: unknown;
};

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
    this.#lines = new LineSplitter(maxLineBytes, (line) => this.#readLine(line));
  }

  push(bytes: Uint8Array): void {
    // What follows the done line is not part of the answer.
    if (!this.#done) this.#lines.push(bytes);
  }

  end(): void {
    if (!this.#done) this.#lines.end();
    if (!this.#done) throw new GatewayError('upstream_incomplete', 'The model stopped before its answer was complete.');
  }

  #readLine(text: string): void {
    if (this.#done) return;
    const line = parseLine(text);
    if (line.error !== undefined) throw streamError(line.error);
    const { message, logprobs: given } = line;
    const logprobs = given != null && given.length > 0 ? given.map(toTokenLogprob) : undefined;
    const thinking = (message ?? line).thinking ?? '';
    const content = (message === undefined ? line.response : message.content) ?? '';
    if (thinking !== '') {
      // Its log probabilities have no place in OpenAI's API, where they are those of the content.
      this.#emit({ type: 'reasoning', text: thinking });
    }
    if (content !== '' || (logprobs !== undefined && thinking === '')) {
      this.#emit({ type: 'text', text: content, ...(logprobs && { logprobs }) });
    }
    if (message?.tool_calls != null && message.tool_calls.length > 0) this.#readToolCalls(text);
    if (line.done === true) this.#finish(line);
  }

  /** Parses the line once more, so that no number in the arguments loses digits. Once a call, not once a token. */
  #readToolCalls(text: string): void {
    const { message } = parseExact(text) as Line;
    for (const call of message?.tool_calls ?? []) {
      const name = call.function?.name;
      if (typeof name !== 'string' || name === '') {
        throw new GatewayError('upstream_protocol_error', 'The upstream sent a tool call without a name.');
      }
      const args = call.function?.arguments;
      this.#emit({
        type: 'tool-call',
        id: this.#callIds.unique(call.id),
        name,
        // Some models' arguments arrive as text already.
        arguments: typeof args === 'string' ? args || '{}' : JSON.stringify(args ?? {}),
      });
    }
  }

  #finish(line: Line): void {
    this.#done = true;
    this.#emit({ type: 'finish', reason: this.#finishReason(line.done_reason), ...counted(line) });
  }

  /** An answer cut at its length stays `length`, calls or not: its last call may be missing. */
  #finishReason(doneReason: string | undefined): FinishReason {
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

type WireLogprob = NonNullable<ChatResponse['logprobs']>[number] & { bytes?: number[] };

function toTokenLogprob(given: WireLogprob): TokenLogprob {
  return {
    token: given.token,
    logprob: given.logprob,
    bytes: given.bytes ?? null,
    top_logprobs: (given.top_logprobs ?? []).map((top: WireLogprob) => ({
      token: top.token,
      logprob: top.logprob,
      bytes: top.bytes ?? null,
    })),
  };
}
