import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answer,
  type FakeUpstream,
  type SeenRequest,
  chatLine,
  doneLine,
  fakeUpstream,
  ndjson,
} from '../helpers/upstream.ts';

/** An Ollama that writes down who came, and answers when it is told to. */
export interface HeldUpstream extends FakeUpstream {
  /** What each request said, in the order in which they came. */
  readonly order: string[];
  /** The most that it had at a time. */
  readonly most: number;
  /** Those it has. */
  readonly held: number;
  /** Models that `/api/ps` lists. */
  loaded: readonly string[];
  /** Answers the oldest of those that are held; throws where there is none. */
  release(answer?: Answer): void;
  /** Answers all that are held, and from now on everyone so many milliseconds after they came. */
  flow(milliseconds?: number): void;
}

/** Starts one that holds whatever comes. */
export async function heldUpstream(models?: readonly string[]): Promise<HeldUpstream> {
  const order: string[] = [];
  const waiting: ((answer: Answer) => void)[] = [];
  let [held, most] = [0, 0];
  let pause: number | undefined;
  const upstream = await fakeUpstream(async (res, request) => {
    if (request.url === '/api/ps') return sendJson(res, { models: self.loaded.map((name) => ({ name, model: name })) });
    if (request.url === '/api/show') return sendJson(res, {});
    order.push(saidIn(request));
    held += 1;
    most = Math.max(most, held);
    let gone = false;
    const leave = (): void => {
      if (!gone) held -= 1;
      gone = true;
    };
    res.once('close', leave);
    const answer = await (pause === undefined
      ? new Promise<Answer>((resolve) => {
          waiting.push(resolve);
          res.once('close', () => {
            if (waiting.includes(resolve)) waiting.splice(waiting.indexOf(resolve), 1);
          });
        })
      : sleep(pause, usual));
    // Before the last byte: whoever comes after it finds the place free.
    leave();
    await answer(res, request);
    return undefined;
  }, models);
  const self: HeldUpstream = {
    url: upstream.url,
    requests: upstream.requests,
    order,
    loaded: [],
    get open() {
      return upstream.open;
    },
    get most() {
      return most;
    },
    get held() {
      return held;
    },
    release(answer = usual) {
      const next = waiting.shift();
      if (next === undefined) throw new Error('nobody is held');
      next(answer);
    },
    flow(milliseconds = 0) {
      pause = milliseconds;
      for (const next of waiting.splice(0)) next(usual);
    },
    [Symbol.asyncDispose]: async () => await upstream[Symbol.asyncDispose](),
  };
  return self;
}

interface Asked {
  readonly messages?: readonly { readonly content: string }[];
  readonly prompt?: string;
  readonly input?: string | readonly string[];
  readonly stream?: boolean;
}

function saidIn({ body }: SeenRequest): string {
  const { messages, prompt, input } = JSON.parse(body) as Asked;
  return messages?.at(-1)?.content ?? prompt ?? [input].flat().join();
}

/** Answers with what the request said, as its path does. */
const usual: Answer = (res, request) => {
  const said = saidIn(request);
  if (request.url === '/api/embed') {
    return sendJson(res, {
      model: 'scripted-plain',
      embeddings: [[0.5, 0.25]],
      total_duration: 1,
      prompt_eval_count: 3,
    });
  }
  ndjson(res);
  if (request.url === '/api/generate') {
    res.write(`${JSON.stringify({ model: 'scripted-plain', response: said, done: false })}\n`);
    return void res.end(doneLine({ message: undefined, response: '' }));
  }
  res.write(chatLine(said));
  res.end(doneLine());
};

function sendJson(res: ServerResponse, body: object): void {
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
