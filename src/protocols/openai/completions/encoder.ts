import type { Completion, CompletionChoice } from 'openai/resources/completions';
import type { ChatEvent, TokenLogprob } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import { ChunkEncoder } from '../chunk-encoder.ts';
import { toLogprobs } from './logprobs.ts';
import { toCompletionFinishReason } from './response.ts';

/** Until a streamed choice ends, its reason is null, which the openai package does not declare. */
type StreamedChoice = Omit<CompletionChoice, 'finish_reason'> & {
  finish_reason: CompletionChoice['finish_reason'] | null;
};

/** Encodes events as `text_completion` events. @see https://platform.openai.com/docs/api-reference/completions */
export class CompletionEncoder extends ChunkEncoder {
  /** By choice: the prompt that is still to be echoed, or ''. */
  readonly #echoes: string[];
  /** By choice: characters sent. */
  readonly #lengths: number[] = [];
  readonly #finished: boolean[] = [];

  /** @param echoes the prompt of each choice; empty when prompts are not echoed */
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
        this.#finished[choice] = true;
        return this.#echo(choice) + this.#chunk(choice, '', toCompletionFinishReason(event.reason));
      case 'reasoning':
      case 'tool-call':
        return '';
      default:
        return event satisfies never;
    }
  }

  /** Returns a chunk of a choice that has not finished. */
  keepAlive(): string {
    let choice = 0;
    while (this.#finished[choice] === true) choice += 1;
    return this.#chunk(choice, '', null);
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
