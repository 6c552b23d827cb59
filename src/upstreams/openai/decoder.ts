import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Completion } from 'openai/resources/completions';
import type { Emit, FinishReason, Timings, Usage } from '../../chat/event.ts';
import type { Decoder } from '../../chat/stream.ts';
import { GatewayError, stoppedEarly } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { parseCalls, text as textOf } from '../coerce.ts';
import { type CallFragment, ToolCallAssembler } from './calls.ts';
import { toTimings, toUsage } from './usage.ts';
import { recordError } from './error.ts';
import { toFinishReason } from './finish-reason.ts';
import { type WireLogprobs, toTokenLogprobs } from './logprobs.ts';
import { AnswerReader } from './reader.ts';

/** A piece of a message, or all of it. OpenAI has no field for thinking; servers differ in its name. */
type Delta = Partial<Pick<ChatCompletionChunk.Choice.Delta, 'content' | 'refusal'>> & {
  reasoning_content?: unknown;
  reasoning?: unknown;
  tool_calls?: CallFragment[] | null;
  function_call?: CallFragment['function'] | null;
};

/** Of a chat a delta, or a message where the server does not stream; of a completion a text. */
interface Choice {
  delta?: Delta;
  message?: Delta;
  text?: string;
  logprobs?: WireLogprobs | null;
  finish_reason?: string | null;
  /** vLLM's own: the stop sequence, or the id of a token. */
  stop_reason?: unknown;
}

type Chunk = Partial<Pick<ChatCompletionChunk | Completion, 'usage'>> & { choices?: Choice[]; timings?: unknown };

/**
 * Reads a streamed answer of `/chat/completions` or `/completions`, or one in one piece. The counts come after the
 * reason to finish, so an answer is whole at `[DONE]`, or where the bytes end after such a reason: not every server
 * sends that mark.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/streaming
 */
export class OpenAiDecoder implements Decoder {
  readonly #emit: Emit;
  readonly #reader: AnswerReader;
  readonly #calls: ToolCallAssembler;
  #finish: { readonly reason: FinishReason; readonly stopSequence?: string } | undefined;
  #usage: Usage = { inputTokens: 0, outputTokens: 0 };
  #timings: Timings = {};
  #ending = false;
  #done = false;

  /** @param maxBytes a larger event, or more text of calls, fails the answer */
  constructor(emit: Emit, maxBytes: number) {
    this.#emit = emit;
    this.#calls = new ToolCallAssembler(emit, maxBytes);
    this.#reader = new AnswerReader(maxBytes, (json, event) => this.#readRecord(json, event));
  }

  push(bytes: Uint8Array): void {
    if (!this.#done) this.#reader.push(bytes);
  }

  end(): void {
    if (this.#done) return;
    this.#ending = true;
    this.#reader.end();
    if (this.#reader.isPage) {
      throw new GatewayError('upstream_protocol_error', 'The upstream sent an answer that is no stream of events.');
    }
    // Its mark may have waited for the end of its event.
    if (!this.#done) this.#complete();
  }

  #readRecord(json: string, event: string | undefined): void {
    if (this.#done) return;
    if (json.trim() === '[DONE]') return this.#complete();
    const chunk = this.#parse(json, event);
    if (chunk === undefined) return;
    if (isObject(chunk.usage)) this.#usage = toUsage(chunk.usage);
    if (chunk.timings != null) this.#timings = toTimings(chunk.timings);
    // One answer was asked for, so there is one choice; a chunk of counts has none.
    const choice = chunk.choices?.[0];
    if (choice != null) this.#readChoice(choice, json);
  }

  /** @throws {GatewayError} for what is no chunk. @returns undefined for one that was cut off with the connection */
  #parse(json: string, event: string | undefined): Chunk | undefined {
    let chunk: unknown;
    try {
      chunk = JSON.parse(json);
    } catch (cause) {
      if (event === 'error') throw recordError(json);
      if (this.#ending) return undefined;
      throw new GatewayError('upstream_protocol_error', 'The upstream sent an event that is not JSON.', { cause });
    }
    if (!isObject(chunk)) {
      throw new GatewayError('upstream_protocol_error', 'The upstream sent an event that is not an object.');
    }
    if (event === 'error' || Boolean(chunk['error']) || chunk['object'] === 'error') throw recordError(chunk);
    return chunk;
  }

  #readChoice(choice: Choice, json: string): void {
    const { delta, message, logprobs: given } = choice;
    const part = delta ?? message ?? {};
    const reasoning = textOf(part.reasoning_content) || textOf(part.reasoning);
    const text = textOf(choice.text) + textOf(part.content) + textOf(part.refusal);
    const logprobs = given == null ? [] : toTokenLogprobs(given);
    // Log probabilities of thinking have no place in OpenAI's API, where they are those of the content.
    if (reasoning !== '') this.#emit({ type: 'reasoning', text: reasoning });
    if (text !== '' || (logprobs.length > 0 && reasoning === '')) {
      this.#emit({ type: 'text', text, ...(logprobs.length > 0 && { logprobs }) });
    }
    this.#readCalls(part, json, message !== undefined);
    if (choice.finish_reason) this.#readFinish(choice.finish_reason, choice.stop_reason);
  }

  #readCalls({ tool_calls: calls, function_call: old }: Delta, json: string, whole: boolean): void {
    const fragments = calls ?? (old == null ? [] : [{ index: 0, function: old }]);
    if (!Array.isArray(fragments) || !fragments.every(isObject)) {
      throw new GatewayError('upstream_protocol_error', 'The upstream sent tool calls that cannot be read.');
    }
    const exact = fragments.some((call) => isObject(call.function?.arguments)) ? exactCalls(json) : fragments;
    // In a whole message each is a call of its own, whether it says so or not.
    exact.forEach((call, index) => this.#calls.add(whole ? { ...call, index } : call));
  }

  #readFinish(given: string, stop: unknown): void {
    this.#calls.end(toFinishReason(given, false) === 'length');
    const reason = toFinishReason(given, this.#calls.called);
    this.#finish = { reason, ...(typeof stop === 'string' && stop !== '' && { stopSequence: stop }) };
  }

  #complete(): void {
    if (this.#finish === undefined) {
      throw stoppedEarly();
    }
    this.#done = true;
    this.#emit({ type: 'finish', ...this.#finish, usage: this.#usage, timings: this.#timings });
  }
}

/** Parsed once more where arguments are an object, so that no number in them loses digits. */
function exactCalls(json: string): CallFragment[] {
  const choice = (parseCalls(json) as Chunk).choices?.[0];
  return (choice?.delta ?? choice?.message)?.tool_calls ?? [];
}
