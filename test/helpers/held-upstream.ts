import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendJson } from './answers.ts';
import { chatLine, doneLine, ndjson } from './ollama-answers.ts';
import { type Answer, FakeUpstream, type SeenRequest, ollamaApi } from './upstream.ts';

/** An Ollama that holds each generation until a test releases it, and then repeats the prompt as its answer. */
export class HeldUpstream extends FakeUpstream {
  /** Names of the models that `/api/ps` lists. */
  loaded: readonly string[] = [];
  /** Prompts of the requests, in order of arrival. */
  readonly order: string[] = [];
  #held = 0;
  #most = 0;
  #pause: number | undefined;
  readonly #waiting: ((answer: Answer) => void)[] = [];

  constructor(models?: readonly string[]) {
    super(ollamaApi, async (res, request) => await this.#respond(res, request), models);
  }

  /** Number of requests that wait for their answer. */
  get held(): number {
    return this.#held;
  }

  /** The highest number of requests that were held at the same time. */
  get most(): number {
    return this.#most;
  }

  /**
   * Answers the request that has been held longest.
   * @throws when no request is held
   */
  release(answer: Answer = repeatPrompt): void {
    const next = this.#waiting.shift();
    if (next === undefined) throw new Error('no request is held');
    next(answer);
  }

  /** Answers all held requests, and from now on each new request after this number of milliseconds. */
  flow(milliseconds = 0): void {
    this.#pause = milliseconds;
    for (const next of this.#waiting.splice(0)) next(repeatPrompt);
  }

  async #respond(res: ServerResponse, request: SeenRequest): Promise<void> {
    if (request.url === '/api/ps') {
      return sendJson(res, 200, { models: this.loaded.map((name) => ({ name, model: name })) });
    }
    if (request.url === '/api/version') return sendJson(res, 200, { version: '0.17.4' });
    if (request.url === '/api/show') return sendJson(res, 200, {});
    this.order.push(promptOf(request));
    this.#held += 1;
    this.#most = Math.max(this.#most, this.#held);
    let left = false;
    const leave = (): void => {
      if (!left) this.#held -= 1;
      left = true;
    };
    res.once('close', leave);
    const answer = await (this.#pause === undefined ? this.#released(res) : sleep(this.#pause, repeatPrompt));
    // Before the last byte, so that the next request finds the slot free.
    leave();
    await answer(res, request);
  }

  /** Resolves once {@link release} or {@link flow} chooses this request's answer; never when its client leaves first. */
  async #released(res: ServerResponse): Promise<Answer> {
    return await new Promise((resolve) => {
      this.#waiting.push(resolve);
      res.once('close', () => {
        if (this.#waiting.includes(resolve)) this.#waiting.splice(this.#waiting.indexOf(resolve), 1);
      });
    });
  }
}

export async function heldUpstream(models?: readonly string[]): Promise<HeldUpstream> {
  return await new HeldUpstream(models).listen();
}

interface Generation {
  readonly messages?: readonly { readonly content: string }[];
  readonly prompt?: string;
  readonly input?: string | readonly string[];
}

function promptOf({ body }: SeenRequest): string {
  const { messages, prompt, input } = JSON.parse(body) as Generation;
  return messages?.at(-1)?.content ?? prompt ?? [input].flat().join();
}

/** Answers with the prompt of the request, in the format of its path. */
const repeatPrompt: Answer = (res, request) => {
  const prompt = promptOf(request);
  if (request.url === '/api/embed') {
    return sendJson(res, 200, {
      model: 'scripted-plain',
      embeddings: [[0.5, 0.25]],
      total_duration: 1,
      prompt_eval_count: 3,
    });
  }
  ndjson(res);
  if (request.url === '/api/generate') {
    res.write(`${JSON.stringify({ model: 'scripted-plain', response: prompt, done: false })}\n`);
    return void res.end(doneLine({ message: undefined, response: '' }));
  }
  res.write(chatLine(prompt));
  res.end(doneLine());
};
