import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { AnswerHead, Encoder } from '../../../chat/contract.ts';
import type { ChatEvent, FinishEvent, TokenLogprob, ToolCallEvent } from '../../../chat/event.ts';
import type { GatewayError } from '../../../errors.ts';
import { sseData } from '../../../framing/sse.ts';
import { openaiError } from '../error.ts';
import { type ReasoningField, type ReasoningFields, reasoningFields } from './reasoning.ts';
import { toUsage } from './usage.ts';

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
  #roleSent = false;
  #toolCalls = 0;

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

  write(event: ChatEvent): string {
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return '';
        return this.#roleSent && event.logprobs === undefined
          ? `${this.#head}{"index":0,"delta":{"content":${JSON.stringify(event.text)}},"finish_reason":null}${this.#tail}`
          : this.#chunk({ content: event.text }, null, event.logprobs);
      case 'reasoning':
        return this.#chunk(reasoningFields(event.text, this.#reasoningField), null, event.logprobs);
      case 'tool-call':
        return this.#chunk({ tool_calls: [this.#toolCall(event)] }, null);
      case 'finish':
        return this.#chunk({}, event.reason) + this.#usage(event);
      default:
        return event satisfies never;
    }
  }

  end(): string {
    return sseData('[DONE]');
  }

  fail(error: GatewayError): string {
    return sseData(JSON.stringify(openaiError(error)));
  }

  #chunk(
    delta: Delta,
    finishReason: ChatCompletionChunk.Choice['finish_reason'],
    logprobs?: readonly TokenLogprob[],
  ): string {
    const choice: ChatCompletionChunk.Choice = {
      index: 0,
      delta: this.#roleSent ? delta : { role: 'assistant', content: delta.tool_calls ? null : '', ...delta },
      ...(logprobs && { logprobs: { content: [...logprobs], refusal: null } }),
      finish_reason: finishReason,
    };
    this.#roleSent = true;
    return this.#head + JSON.stringify(choice) + this.#tail;
  }

  /** A call is never cut into pieces: Ollama gives it whole, and clients take one piece as well as many. */
  #toolCall(event: ToolCallEvent): ChatCompletionChunk.Choice.Delta.ToolCall {
    const index = this.#toolCalls;
    this.#toolCalls += 1;
    return { index, id: event.id, type: 'function', function: { name: event.name, arguments: event.arguments } };
  }

  #usage(event: FinishEvent): string {
    return this.#includeUsage ? `${this.#head}],"usage":${JSON.stringify(toUsage(event.usage))}}\n\n` : '';
  }
}
