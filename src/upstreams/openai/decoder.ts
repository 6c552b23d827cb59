import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Completion } from 'openai/resources/completions';
import type { Emit, FinishReason, Timings, Usage } from '../../chat/event.ts';
import type { Decoder } from '../../chat/stream.ts';
import { GatewayError, stoppedEarly } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { parseToolCalls, toText } from '../coerce.ts';
import { emitContent } from '../content.ts';
import { recordError } from './error.ts';
import { toFinishReason } from './finish-reason.ts';
import { type WireLogprobs, toTokenLogprobs } from './logprobs.ts';
import { RecordReader } from './record-reader.ts';
import { ToolCallAssembler, type WireFragment } from './tool-call-assembler.ts';
import { toTimings, toUsage } from './usage.ts';

/** A delta or a whole message. OpenAI has no field for reasoning; servers name it differently. */
type Delta = Partial<Pick<ChatCompletionChunk.Choice.Delta, 'content' | 'refusal'>> & {
  reasoning_content?: unknown;
  reasoning?: unknown;
  tool_calls?: WireFragment[] | null;
  function_call?: WireFragment['function'] | null;
};

/** Has a delta in a chat, a message when the server does not stream, a text in a completion. */
interface Choice {
  delta?: Delta;
  message?: Delta;
  text?: string;
  logprobs?: WireLogprobs | null;
  finish_reason?: string | null;
  /** Only vLLM sends it: the stop sequence, or the id of a token. */
  stop_reason?: unknown;
}

type Chunk = Partial<Pick<ChatCompletionChunk | Completion, 'usage'>> & { choices?: Choice[]; timings?: unknown };

/**
 * Reads a response of `/chat/completions` or `/completions`, streamed or not. The token counts follow the finish reason, so
 * a response is complete at `[DONE]`, or where the bytes end after a finish reason: not every server sends `[DONE]`.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/streaming
 */
export class OpenAiDecoder implements Decoder {
  readonly #emit: Emit;
  readonly #reader: RecordReader;
  readonly #calls: ToolCallAssembler;
  #finish: { readonly reason: FinishReason; readonly stopSequence?: string } | undefined;
  #usage: Usage = { inputTokens: 0, outputTokens: 0 };
  #timings: Timings = {};
  #ending = false;
  #done = false;

  /** @param maxBytes a larger event, or longer tool calls, fail the response */
  constructor(emit: Emit, maxBytes: number) {
    this.#emit = emit;
    this.#calls = new ToolCallAssembler(emit, maxBytes);
    this.#reader = new RecordReader(maxBytes, (json, event) => this.#readRecord(json, event));
  }

  push(bytes: Uint8Array): void {
    if (!this.#done) this.#reader.push(bytes);
  }

  end(): void {
    if (this.#done) return;
    this.#ending = true;
    this.#reader.end();
    if (this.#reader.format === 'html') {
      throw new GatewayError('upstream_protocol_error', 'The upstream sent an HTML page instead of an event stream.');
    }
    // `[DONE]` may have been the event that the end of the bytes completed.
    if (!this.#done) this.#complete();
  }

  #readRecord(json: string, event: string | undefined): void {
    if (this.#done) return;
    if (json.trim() === '[DONE]') return this.#complete();
    const chunk = this.#parse(json, event);
    if (chunk === undefined) return;
    if (isObject(chunk.usage)) this.#usage = toUsage(chunk.usage);
    if (chunk.timings != null) this.#timings = toTimings(chunk.timings);
    // One choice is requested; a chunk with token counts has none.
    const choice = chunk.choices?.[0];
    if (choice != null) this.#readChoice(choice, json);
  }

  /**
   * @returns undefined for a chunk that was cut off with the connection
   * @throws {GatewayError} for anything else that is not a chunk, and for errors
   */
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
    const { delta, message, logprobs } = choice;
    const part = delta ?? message ?? {};
    const reasoning = toText(part.reasoning_content) || toText(part.reasoning);
    const text = toText(choice.text) + toText(part.content) + toText(part.refusal);
    emitContent(this.#emit, reasoning, text, logprobs == null ? [] : toTokenLogprobs(logprobs));
    this.#readToolCalls(part, json, message !== undefined);
    if (choice.finish_reason) this.#readFinish(choice.finish_reason, choice.stop_reason);
  }

  /** @param isMessage true when `part` is a whole message, in which each tool call is complete */
  #readToolCalls({ tool_calls: calls, function_call: legacyCall }: Delta, json: string, isMessage: boolean): void {
    const fragments = calls ?? (legacyCall == null ? [] : [{ index: 0, function: legacyCall }]);
    if (!Array.isArray(fragments) || !fragments.every(isObject)) {
      throw new GatewayError('upstream_protocol_error', 'The upstream sent tool calls that cannot be read.');
    }
    const exact = fragments.some(hasObjectArguments) ? exactFragments(json) : fragments;
    // In a message each call has an index of its own, whether the server sends one or not.
    exact.forEach((fragment, index) => this.#calls.add(isMessage ? { ...fragment, index } : fragment));
  }

  #readFinish(given: string, stop: unknown): void {
    this.#calls.end(toFinishReason(given, false) === 'length');
    const reason = toFinishReason(given, this.#calls.called);
    this.#finish = { reason, ...(typeof stop === 'string' && stop !== '' && { stopSequence: stop }) };
  }

  #complete(): void {
    if (this.#finish === undefined) throw stoppedEarly();
    this.#done = true;
    this.#emit({ type: 'finish', ...this.#finish, usage: this.#usage, timings: this.#timings });
  }
}

function hasObjectArguments({ function: called }: WireFragment): boolean {
  return isObject(called?.arguments);
}

/** Parses the tool calls of a chunk again, so that the numbers in arguments that are an object keep all digits. */
function exactFragments(json: string): WireFragment[] {
  const choice = (parseToolCalls(json) as Chunk).choices?.[0];
  return (choice?.delta ?? choice?.message)?.tool_calls ?? [];
}
