import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

// An Ollama in its own process. It echoes the id in a request, and counts requests by id and how many run at a time.
// GET /tally returns the counts. The arguments are names of models.

/** The body of GET /tally. */
export interface Tally {
  /** The greatest number of requests that ran at a time. */
  readonly most: number;
  /** The number of requests that run now. */
  readonly now: number;
  /** Number of requests by id. */
  readonly ids: Record<string, number>;
}

/** @returns the tokens of a request with this id */
export function tokensOf(id: string): { readonly input: number; readonly output: number } {
  const number = Number(/\d+$/.exec(id)?.[0] ?? 0);
  return { input: 5 + (number % 7), output: 3 + (number % 5) };
}

/** Matches an id in a prompt or an answer. */
export const idPattern = /\bkey\d+-\d+\b/;

interface Body {
  readonly stream?: boolean;
}

/** Multiplies all pauses. */
const pace = Number(process.env['LLAMADUCT_LOAD_PACE'] ?? 1);

function start(models: readonly string[]): void {
  const ids = new Map<string, number>();
  let [most, now] = [0, 0];
  const listed = models.map((name) => ({ name, model: name, modified_at: '2026-11-21T03:56:00Z' }));
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      res.setHeader('content-type', 'application/json');
      if (req.url === '/api/tags') return res.end(JSON.stringify({ models: listed }));
      if (req.url === '/api/ps') return res.end(JSON.stringify({ models: listed }));
      if (req.url === '/tally') {
        const tally: Tally = { most, now, ids: Object.fromEntries(ids) };
        return res.end(JSON.stringify(tally));
      }
      return void answer(Buffer.concat(chunks).toString());
    });
    const answer = async (text: string): Promise<void> => {
      now += 1;
      most = Math.max(most, now);
      const id = idPattern.exec(text)?.[0] ?? 'none';
      ids.set(id, (ids.get(id) ?? 0) + 1);
      const { input, output } = tokensOf(id);
      const { stream = true } = JSON.parse(text) as Body;
      const counts = {
        done: true,
        done_reason: 'stop',
        total_duration: 9_000_000,
        load_duration: 0,
        prompt_eval_count: input,
        prompt_eval_duration: 1_000_000,
        eval_count: output,
        eval_duration: 8_000_000,
      };
      const line = (content: string, rest: object): string => {
        const fields =
          req.url === '/api/generate' ? { response: content } : { message: { role: 'assistant', content } };
        return `${JSON.stringify({ model: models[0], created_at: '2026-11-21T03:56:01.6Z', ...fields, ...rest })}\n`;
      };
      if (pace > 1) await sleep(4 * pace);
      if (stream) {
        res.setHeader('content-type', 'application/x-ndjson');
        res.write(line('I heard ', { done: false }));
      }
      await sleep((4 + (output % 3) * 4) * pace);
      if (stream) res.write(line(id, { done: false }));
      // Before the last byte: the next request may arrive right after it.
      now -= 1;
      res.end(line(stream ? '' : `I heard ${id}`, counts));
    };
  });
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
  });
}

if (import.meta.main) start(process.argv.slice(2));
