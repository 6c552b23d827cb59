import { setTimeout as sleep } from 'node:timers/promises';
import { hashSecret } from '../../src/config/secret.ts';
import { type Attacked, attack } from './attack.ts';
import { key, secrets } from './target.ts';

// Who pays for what a model has done.

/** Tokens of the prompt, estimated at four characters each. */
const promptTokens = 500;
const prompt = 'one two '.repeat(promptTokens / 2);
const messages = [{ role: 'user', content: prompt }];

/** Routes that generate, each used by a key of its own, so that usage shows them apart. */
const generating: readonly { readonly path: string; readonly body: object }[] = [
  { path: '/api/chat', body: { messages } },
  { path: '/api/generate', body: { prompt } },
  { path: '/v1/chat/completions', body: { messages } },
  { path: '/v1/completions', body: { prompt } },
  { path: '/v1/responses', body: { input: prompt } },
  { path: '/v1/messages', body: { messages, max_tokens: 4000 } },
];

interface UsageRow {
  readonly name: string;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

const leaving = generating.flatMap(({ path, body }) =>
  [true, false].map((stream) => ({
    name: `${path}${stream ? ' streamed' : ''}`,
    path,
    body: { model: 'plain', stream, ...body },
  })),
);

const charged = {
  usage: { file: 'usage.db' },
  keys: [
    key('admin', { scopes: ['admin', 'inference'] }),
    ...leaving.map((_, index) => ({ name: `leaving${index}`, hash: hashSecret(`ld-leaving-${index}`) })),
  ],
};

/** Has every key of {@link leaving} send its request and leave. @returns what each is charged */
async function leaveAll(
  { send }: Pick<Attacked, 'send'>,
  patience: number,
): Promise<(UsageRow & { readonly route: string })[]> {
  await Promise.all(
    leaving.map(async ({ path, body }, index) => await send({ path, body, as: `ld-leaving-${index}`, patience })),
  );
  await sleep(2500);
  const { text } = await send({ path: '/v1/usage?by=key&all=true', as: secrets.admin });
  const rows = (JSON.parse(text) as { readonly data: readonly UsageRow[] }).data;
  return leaving.map(({ name: route }, index) => {
    const none = { name: `leaving${index}`, input_tokens: 0, output_tokens: 0 };
    return { ...(rows.find(({ name }) => name === none.name) ?? none), route };
  });
}

attack(
  'a client that leaves before the response is complete is charged for it on every route',
  { config: charged, ollama: { tokens: 4000, perSecond: 200 } },
  async ({ send, ollama }) => {
    const rows = await leaveAll({ send }, 1500);
    // All responses take equally long, so each request has produced an equal share.
    const produced = ollama.runs.reduce((sum, run) => sum + run.produced, 0) / leaving.length;
    const free = rows.filter(({ input_tokens, output_tokens }) => input_tokens < 1 || output_tokens < produced / 4);
    return {
      held: free.length === 0,
      figures: `about ${Math.round(produced)} tokens each; ${free.length} of ${rows.length} are charged for less than a quarter (none) ${free.map(({ route, output_tokens }) => `${route} ${output_tokens}`).join(', ')}`,
    };
  },
);

attack(
  'a client that leaves before the first chunk is charged for its prompt on every route',
  { config: charged, ollama: { hangs: true } },
  async ({ send }) => {
    const rows = await leaveAll({ send }, 500);
    const free = rows.filter(({ input_tokens }) => input_tokens < promptTokens / 2);
    return {
      held: free.length === 0,
      figures: `${free.length} of ${rows.length} are charged for less than half of the prompt (none) ${free.map(({ route, input_tokens }) => `${route} ${input_tokens}`).join(', ')}`,
    };
  },
);

attack(
  'a limit on tokens holds for a client that never waits for a response',
  {
    config: {
      usage: { file: 'usage.db' },
      keys: [key('limited', { limits: { tokens_per_day: 1000 } }), key('victim')],
    },
    ollama: { tokens: 4000, perSecond: 200 },
  },
  async ({ send, ollama }) => {
    const statuses: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      const { status } = await send({
        path: '/api/chat',
        body: {
          model: 'plain',
          stream: false,
          messages: [{ role: 'user', content: 'x' }],
          options: { num_predict: 300 },
        },
        patience: 1000,
      });
      statuses.push(status);
      await sleep(300);
    }
    const produced = ollama.runs.reduce((sum, run) => sum + run.produced, 0);
    return {
      held: statuses.includes(429),
      figures: `1,000 tokens a day, 8 requests for 300 left after 1 s: ${produced} tokens produced, then ${statuses.join(' ')} (429 from some point on)`,
    };
  },
);

attack(
  'an upstream that counts negative, endless or no numbers breaks no metric, no usage and no limit',
  {
    config: {
      usage: { file: 'usage.db' },
      keys: [
        key('limited', { limits: { tokens_per_day: 1000 } }),
        key('admin', { scopes: ['admin', 'inference', 'metrics'] }),
      ],
    },
    ollama: {
      answer(res, { path }, body) {
        if (path === '/api/show') return false;
        const count = /count=(\S+?)"/.exec(body)?.[1]?.replaceAll('\\', '') ?? '1';
        res.writeHead(200, { 'content-type': 'application/x-ndjson' });
        res.end(
          `{"model":"plain","message":{"role":"assistant","content":"heron"},"done":true,"done_reason":"stop",` +
            `"prompt_eval_count":${count},"eval_count":${count},"eval_duration":${count},"prompt_eval_duration":1,"total_duration":${count},"load_duration":${count}}\n`,
        );
        return true;
      },
    },
  },
  async ({ send }) => {
    const counts = ['1e308', '1e999', '-1e308', '-5', '0.5', 'null', 'true', '[]', '9007199254740993'];
    for (const count of counts) {
      const body = { model: 'plain', stream: false, messages: [{ role: 'user', content: `count=${count}` }] };
      for (const path of ['/v1/chat/completions', '/api/chat']) await send({ path, as: secrets.admin, body });
    }
    const metrics = await send({ path: '/metrics', as: secrets.admin });
    const odd = metrics.text
      .split('\n')
      .filter((line) => line.startsWith('llamaduct_') && !line.includes('_bucket{'))
      .filter((line) => !(Number(line.split(' ').at(-1)) >= 0 && Number(line.split(' ').at(-1)) < 1e15));
    const usage = await send({ path: '/v1/usage?by=key', as: secrets.admin });
    const sums = [...usage.text.matchAll(/"\w+_tokens":([^,}]*)/g)].map(([, value]) => Number(value));
    const sound = sums.length > 0 && sums.every((sum) => Number.isFinite(sum) && sum >= 0 && sum < 1e15);
    // A negative count must not give tokens back: 1,000 tokens a day are spent by one count of 2,000.
    const spend = async (count: number): Promise<number> =>
      (
        await send({
          path: '/v1/chat/completions',
          body: { model: 'plain', messages: [{ role: 'user', content: `count=${count}` }] },
        })
      ).status;
    const statuses = [await spend(-1_000_000), await spend(2000), await spend(1)];
    return {
      held: metrics.status === 200 && odd.length === 0 && sound && statuses[2] === 429,
      figures: `${odd.length} metrics below 0 or over 1e15 (none), usage is ${sound ? 'sound' : 'not sound'}; with a negative count the limit gives ${statuses.join(' ')} (429 at last) ${odd.slice(0, 2).join('; ')}`,
    };
  },
);
