import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { AnswerHead, Encoder, Total } from '../../../chat/contract.ts';
import type { ChatEvent, TokenLogprob, ToolCallEvent } from '../../../chat/event.ts';
import type { GatewayError } from '../../../errors.ts';
import { sseData } from '../../../framing/sse.ts';
import { openaiError } from '../error.ts';
import { endOfStream } from '../stream.ts';
import { toUsage } from '../usage.ts';
import { type ReasoningField, type ReasoningFields, reasoningFields } from './reasoning.ts';

type Delta = ChatCompletionChunk.Choice.Delta & ReasoningFields;

/**
 * Events -> `chat.completion.chunk` events of a stream. The part of a frame that never changes is written once, so a
 * token costs one JSON.stringify of its text.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/streaming
 */
export class ChatCompletionEncoder implements Encoder {
  readonly #head: string;
  readonly #tail: string;
  readonly #includeUsage: boolean;
  readonly #reasoningField: ReasoningField;
  /** By choice, as the next. */
  readonly #roleSent: boolean[] = [];
  readonly #toolCalls: number[] = [];

  constructor(head: AnswerHead, includeUsage: boolean, reasoningField: ReasoningField) {
    const envelope: Omit<ChatCompletionChunk, 'choices' | 'usage'> = {
      id: head.id,
      object: 'chat.completion.chunk',
      created: head.created,
      model: head.model,
    };
    this.#head = `data: ${JSON.stringify(envelope).slice(0, -1)},"choices":[`;
    this.#tail = includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
    this.#includeUsage = includeUsage;
    this.#reasoningField = reasoningField;
  }

  write(event: ChatEvent, choice: number): string {
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return '';
        return this.#roleSent[choice] === true && event.logprobs === undefined
          ? `${this.#head}{"index":${choice},"delta":{"content":${JSON.stringify(event.text)}},"finish_reason":null}${this.#tail}`
          : this.#chunk(choice, { content: event.text }, null, event.logprobs);
      case 'reasoning':
        return this.#chunk(choice, reasoningFields(event.text, this.#reasoningField), null, event.logprobs);
      case 'tool-call':
        return this.#chunk(choice, { tool_calls: [this.#toolCall(choice, event)] }, null);
      case 'finish':
        return this.#chunk(choice, {}, event.reason);
      default:
        return event satisfies never;
    }
  }

  end({ usage, timings }: Total): string {
    const usageChunk = `${this.#head}],"usage":${JSON.stringify(toUsage(usage))}}\n\n`;
    return (this.#includeUsage ? usageChunk : '') + endOfStream(timings);
  }

  fail(error: GatewayError): string {
    return sseData(JSON.stringify(openaiError(error)));
  }

  #chunk(
    index: number,
    delta: Delta,
    finishReason: ChatCompletionChunk.Choice['finish_reason'],
    logprobs?: readonly TokenLogprob[],
  ): string {
    const choice: ChatCompletionChunk.Choice = {
      index,
      delta: this.#roleSent[index]
        ? delta
        : { role: 'assistant', content: delta.tool_calls === undefined ? '' : null, ...delta },
      ...(logprobs && { logprobs: { content: [...logprobs], refusal: null } }),
      finish_reason: finishReason,
    };
    this.#roleSent[index] = true;
    return this.#head + JSON.stringify(choice) + this.#tail;
  }

  /** A call is never cut into pieces: Ollama gives it whole, and clients take one piece as well as many. */
  #toolCall(choice: number, event: ToolCallEvent): ChatCompletionChunk.Choice.Delta.ToolCall {
    const index = this.#toolCalls[choice] ?? 0;
    this.#toolCalls[choice] = index + 1;
    return { index, id: event.id, type: 'function', function: { name: event.name, arguments: event.arguments } };
  }
}
