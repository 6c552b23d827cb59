import type { Emit, TokenLogprob } from '../../chat/event.ts';
import type { TextCall, TextCallOptions } from '../text-call.ts';

/** Emits texts, joined as far as they come together, and calls. */
export class CallOutput {
  /** True once there was a call. */
  called = false;
  readonly #emit: Emit;
  readonly #options: Pick<TextCallOptions, 'newId' | 'onCall'>;
  #text = '';
  #logprobs: TokenLogprob[] = [];

  constructor(emit: Emit, options: Pick<TextCallOptions, 'newId' | 'onCall'>) {
    this.#emit = emit;
    this.#options = options;
  }

  addText(text: string): void {
    this.#text += text;
  }

  /** Adds the log probabilities of tokens whose text follows, or is held back. */
  addLogprobs(logprobs: readonly TokenLogprob[] = []): void {
    for (const logprob of logprobs) this.#logprobs.push(logprob);
  }

  /** Emits a call, after the text before it. The log probabilities of its text are dropped. */
  call(call: TextCall): void {
    this.flush();
    this.called = true;
    this.#logprobs = [];
    this.#options.onCall?.();
    this.#emit({ type: 'tool-call', id: this.#options.newId(), ...call });
  }

  /** Emits the text. @param isEnd true to emit log probabilities without a text as well */
  flush(isEnd = false): void {
    const [text, logprobs] = [this.#text, this.#logprobs];
    if (text === '' && !(isEnd && logprobs.length > 0)) return;
    this.#text = '';
    this.#logprobs = [];
    this.#emit({ type: 'text', text, ...(logprobs.length > 0 && { logprobs }) });
  }
}
