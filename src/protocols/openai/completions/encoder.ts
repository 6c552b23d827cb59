import type { Completion, CompletionChoice } from 'openai/resources/completions';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { ChatEvent, TokenLogprob } from '../../../chat/event.ts';
import { ChunkEncoder } from '../stream.ts';
import { finishReason } from './finish-reason.ts';
import { toLogprobs } from './logprobs.ts';

/** A choice of a stream under way is without a reason to end, which the openai package does not declare. */
type StreamedChoice = Omit<CompletionChoice, 'finish_reason'> & {
  finish_reason: CompletionChoice['finish_reason'] | null;
};

/** Events -> `text_completion` events of a stream. @see https://platform.openai.com/docs/api-reference/completions */
export class CompletionEncoder extends ChunkEncoder {
  /** By choice: its prompt, where it is to be echoed and was not yet. */
  readonly #echoes: string[];
  /** By choice: characters sent. */
  readonly #lengths: number[] = [];

  /** @param echoes the prompt of each choice, or none */
  constructor({ id, created, model }: AnswerHead, includeUsage: boolean, echoes: readonly string[]) {
    const envelope: Omit<Completion, 'choices' | 'usage'> = { id, created, model, object: 'text_completion' };
    super(envelope, includeUsage);
    this.#echoes = [...echoes];
  }

  override write(event: ChatEvent, choice: number): string {
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
    return this.chunk(JSON.stringify(choice));
  }
}
