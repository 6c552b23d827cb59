import type { ChatCompletionChunk, ChatCompletionMessage } from 'openai/resources/chat/completions';
import type { ChatEvent, Frame, TokenLogprob, ToolCallEvent } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { SearchEvent } from '../../../chat/search.ts';
import { ChunkEncoder } from '../chunk-encoder.ts';
import { toAnnotation } from './annotations.ts';
import { type AnswerShape, type ReasoningFields, reasoningFields } from './reasoning.ts';
import { toToolCall } from './tools.ts';

/** The JSON of a choice that has only a text: the parts before and after the JSON of the text. */
const choiceStart = (index: number): string => `{"index":${index},"delta":{"content":`;
const choiceEnd = '},"finish_reason":null}';

/** The SDK's type lacks the annotations. */
type Delta = ChatCompletionChunk.Choice.Delta & ReasoningFields & { annotations?: ChatCompletionMessage.Annotation[] };

/**
 * Encodes events as `chat.completion.chunk` events. All but a token's text is serialised once, so a token costs one
 * JSON.stringify of its text.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/streaming
 */
export class ChatCompletionEncoder extends ChunkEncoder {
  readonly joinsTurns = true;
  readonly #shape: AnswerShape;
  /** By choice, like the two below: true once its first chunk, which has the role, is written. */
  readonly #roleSent: boolean[] = [];
  /** Tool calls written. */
  readonly #toolCalls: number[] = [];
  readonly #frames: Frame[] = [];
  readonly #finished: boolean[] = [];

  constructor(head: AnswerHead, includeUsage: boolean, shape: AnswerShape) {
    const envelope: Omit<ChatCompletionChunk, 'choices' | 'usage'> = {
      id: head.id,
      object: 'chat.completion.chunk',
      created: head.created,
      model: head.model,
    };
    super(envelope, includeUsage);
    this.#shape = shape;
  }

  override write(event: ChatEvent, choice: number): string {
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return '';
        return this.#roleSent[choice] === true && event.logprobs === undefined
          ? this.chunk(choiceStart(choice) + JSON.stringify(event.text) + choiceEnd)
          : this.#chunk(choice, { content: event.text }, null, event.logprobs);
      case 'reasoning':
        return this.#chunk(choice, reasoningFields(event.text, this.#shape.reasoningField), null);
      case 'tool-call':
        return this.#chunk(choice, this.#callDelta(choice, event), null);
      case 'finish': {
        this.#finished[choice] = true;
        const isFunctionCall = this.#shape.usesFunctions && event.reason === 'tool_calls';
        return this.#chunk(choice, {}, isFunctionCall ? 'function_call' : event.reason);
      }
      default:
        return event satisfies never;
    }
  }

  /** Searches are not shown; the addresses of results in the text are annotations. */
  search(event: SearchEvent): string {
    if (event.type !== 'cited') return '';
    return this.#chunk(0, { annotations: event.citations.map(toAnnotation) }, null);
  }

  frame(choice: number): Frame | undefined {
    if (this.#roleSent[choice] !== true) return undefined;
    this.#frames[choice] ??= {
      before: this.chunkStart + choiceStart(choice),
      after: choiceEnd + this.chunkEnd,
    };
    return this.#frames[choice];
  }

  /** Returns a chunk of a choice that has not finished: some clients would take it for the end of one that has. */
  keepAlive(): string {
    let choice = 0;
    while (this.#finished[choice] === true) choice += 1;
    return this.#chunk(choice, {}, null);
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
        : { role: 'assistant', content: (delta.tool_calls ?? delta.function_call) === undefined ? '' : null, ...delta },
      ...(logprobs && { logprobs: { content: [...logprobs], refusal: null } }),
      finish_reason: finishReason,
    };
    this.#roleSent[index] = true;
    return this.chunk(JSON.stringify(choice));
  }

  /** Writes a call in one chunk: Ollama sends calls whole, and clients accept one chunk as well as many. */
  #callDelta(choice: number, event: ToolCallEvent): Delta {
    const { name, arguments: text } = event;
    if (this.#shape.usesFunctions) return { function_call: { name, arguments: text } };
    const index = this.#toolCalls[choice] ?? 0;
    this.#toolCalls[choice] = index + 1;
    return { tool_calls: [{ index, ...toToolCall(event, this.#shape.customTools) }] };
  }
}
