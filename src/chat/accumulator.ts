import type { SearchTurn } from './search.ts';
import type { ChatEvent, FinishReason, Timings, TokenLogprob, ToolCallEvent, Usage } from './event.ts';

/** A complete answer, made of all events of a stream. */
export interface ChatResult {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCallEvent[];
  readonly logprobs: readonly TokenLogprob[];
  readonly finishReason: FinishReason;
  readonly stopSequence?: string;
  readonly usage: Usage;
  readonly timings: Timings;
  /** The parts before this one, each of which ended in web searches. Absent: there are none. */
  readonly turns?: readonly SearchTurn[];
}

/** Collects the events of a stream, given to `add` in order, into a complete answer. */
export class Accumulator {
  #text = '';
  #reasoning = '';
  readonly #toolCalls: ToolCallEvent[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  #result: ChatResult | undefined;

  add(event: ChatEvent): void {
    switch (event.type) {
      case 'text':
        this.#text += event.text;
        // Not push(...logprobs): an answer in one event may have more of them than a call may have arguments.
        for (const logprob of event.logprobs ?? []) this.#logprobs.push(logprob);
        return;
      case 'reasoning':
        this.#reasoning += event.text;
        return;
      case 'tool-call':
        this.#toolCalls.push(event);
        return;
      case 'finish':
        this.#result = {
          text: this.#text,
          reasoning: this.#reasoning,
          toolCalls: this.#toolCalls,
          logprobs: this.#logprobs,
          finishReason: event.reason,
          ...(event.stopSequence !== undefined && { stopSequence: event.stopSequence }),
          usage: event.usage,
          timings: event.timings,
        };
        return;
      default:
        event satisfies never;
    }
  }

  /** True once some of the answer was added. */
  get hasOutput(): boolean {
    return this.#text !== '' || this.#reasoning !== '' || this.#toolCalls.length > 0;
  }

  /** The complete answer; undefined until `finish` was added. */
  get result(): ChatResult | undefined {
    return this.#result;
  }
}
