import type { Completion, CompletionChoice } from 'openai/resources/completions';
import type { AnswerHead, Encoder, Total } from '../../../chat/contract.ts';
import type { ChatEvent, TokenLogprob } from '../../../chat/event.ts';
import type { GatewayError } from '../../../errors.ts';
import { ChunkFrames } from '../stream.ts';
import { finishReason } from './finish-reason.ts';
import { toLogprobs } from './logprobs.ts';

/** A choice of a stream under way is without a reason to end, which the openai package does not declare. */
type StreamedChoice = Omit<CompletionChoice, 'finish_reason'> & {
  finish_reason: CompletionChoice['finish_reason'] | null;
};

/** Events -> `text_completion` events of a stream. @see https://platform.openai.com/docs/api-reference/completions */
export class CompletionEncoder implements Encoder {
  readonly #frames: ChunkFrames;
  /** By choice: its prompt, where it is to be echoed and was not yet. */
  readonly #echoes: string[];
  /** By choice: characters sent. */
  readonly #lengths: number[] = [];

  /** @param echoes the prompt of each choice, or none */
  constructor(head: AnswerHead, includeUsage: boolean, echoes: readonly string[]) {
    const envelope: Omit<Completion, 'choices' | 'usage'> = { ...head, object: 'text_completion' };
    this.#frames = new ChunkFrames(envelope, includeUsage);
    this.#echoes = [...echoes];
  }

  write(event: ChatEvent, choice: number): string {
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return '';
        return this.#echo(choice) + this.#chunk(choice, event.text, null, event.logprobs);
      case 'finish':
        return this.#echo(choice) + this.#chunk(choice, '', finishReason(event.reason));
      case 'reasoning':
      case 'tool-call':
        return '';
      default:
        return event satisfies never;
    }
  }

  end(total: Total): string {
    return this.#frames.end(total);
  }

  fail(error: GatewayError): string {
    return this.#frames.fail(error);
  }

  #echo(choice: number): string {
    const prompt = this.#echoes[choice] ?? '';
    this.#echoes[choice] = '';
    return prompt === '' ? '' : this.#chunk(choice, prompt, null);
  }

  #chunk(
    index: number,
    text: string,
    reason: StreamedChoice['finish_reason'],
    logprobs?: readonly TokenLogprob[],
  ): string {
    const offset = this.#lengths[index] ?? 0;
    this.#lengths[index] = offset + text.length;
    const choice: StreamedChoice = {
      text,
      index,
      logprobs: logprobs === undefined ? null : toLogprobs(logprobs, offset),
      finish_reason: reason,
    };
    return this.#frames.chunk(JSON.stringify(choice));
  }
}
