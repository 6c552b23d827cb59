import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { attack, overload } from './attack.ts';
import { bytesOf, hold } from './client.ts';
import { secrets } from './target.ts';

// An upstream that is broken or hostile: every wait has an end, and nothing of it reaches clients that HTTP does not allow.

const impatient = {
  retries: { attempts: 1 },
  health: { interval: '0s', failures: 1000 },
  timeouts: { first_byte: '2s', idle: '2s' },
};
/** Milliseconds until such a request must be over. */
const deadline = 8000;
const paths = ['/v1/chat/completions', '/api/chat', '/v1/messages', '/v1/embeddings', '/api/embed'];
const messages = [{ role: 'user', content: 'x' }];
const body = { model: 'plain', stream: false, messages, input: 'x', max_tokens: 10 };

/** Writes to the connection below a response again and again. */
function drip(res: ServerResponse, interval: number, text: string): void {
  const { socket } = res;
  const timer = setInterval(() => socket?.write(text), interval);
  socket?.on('close', () => clearInterval(timer));
}

const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const chunked = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Ways never to answer, by what the upstream sends. */
const endless: Readonly<Record<string, (res: ServerResponse) => void>> = {
  'interim responses': (res) => drip(res, 50, 'HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n'),
  'a status line': (res) => {
    res.socket?.write('HTTP/1.1 200 ');
    drip(res, 50, 'O');
  },
  'header fields': (res) => {
    res.socket?.write(head);
    drip(res, 50, 'x-more: 1\r\n');
  },
  'an error body': (res) => {
    res.socket?.write(`HTTP/1.1 500 Internal Server Error\r\n${chunked}`);
    drip(res, 100, '1\r\nx\r\n');
  },
};

for (const [what, answer] of Object.entries(endless)) {
  attack(
    `an upstream that sends ${what} without end is given up`,
    {
      config: impatient,
      ollama: {
        answer(res, { path }) {
          if (path === '/api/show') return false;
          answer(res);
          return true;
        },
      },
    },
    async ({ send }) => {
      const got = await Promise.all(paths.map(async (path) => await send({ path, body, patience: deadline + 2000 })));
      const late = got.filter(({ status, ms }) => status === 0 || ms > deadline);
      const told = got.map(
        ({ status, ms }, index) => `${paths[index]} ${status || 'none'} after ${(ms / 1000).toFixed(1)} s`,
      );
      return {
        held: late.length === 0,
        figures: `deadlines of 2 s: ${told.join(', ')} (at most ${deadline / 1000} s)`,
      };
    },
  );
}

attack(
  'a status that HTTP does not have never reaches a client',
  {
    config: impatient,
    ollama: {
      answer(res, { path }, text) {
        if (path === '/api/show') return false;
        const status = /status:(\d+)/.exec(text)?.[1] ?? '200';
        res.socket?.end(
          `HTTP/1.1 ${status} Odd\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"error":"odd"}`,
        );
        return true;
      },
    },
  },
  async ({ send }) => {
    const got: string[] = [];
    let bad = 0;
    for (const status of [0, 99, 150, 204, 304, 600, 999]) {
      for (const path of ['/api/chat', '/v1/chat/completions']) {
        const text = { model: 'plain', stream: false, messages: [{ role: 'user', content: `status:${status}` }] };
        const response = await send({ path, body: text, patience: deadline });
        if (response.status < 200 || response.status > 599) bad += 1;
        got.push(`${status} -> ${response.status}`);
      }
    }
    return { held: bad === 0, figures: `${bad} of ${got.length} (none): ${got.join(', ')}` };
  },
);

attack(
  'an upstream that sends more than anyone reads is slowed down',
  {
    ollama: {
      answer(res, { path }) {
        if (path === '/api/show') return false;
        res.writeHead(200, { 'content-type': 'application/x-ndjson' });
        const line = `${JSON.stringify({ model: 'plain', message: { role: 'assistant', content: 'x'.repeat(60_000) }, done: false })}\n`;
        const more = (): void => {
          while (!res.destroyed && res.write(line));
        };
        res.on('drain', more);
        more();
        return true;
      },
    },
  },
  async ({ target, ollama }) => {
    const requests = ['/api/chat', '/v1/chat/completions'].flatMap((path) =>
      Array.from({ length: 20 }, () => bytesOf({ path, as: secrets.limited, body: { ...body, stream: true } })),
    );
    const sockets = requests.map((request) => hold(target.port, request, false));
    const impact = await overload(target, [{ path: '/healthz' }], 3000);
    await sleep(2000);
    const rss = target.rss;
    for (const socket of sockets) socket.destroy();
    return {
      held: impact.held && rss <= 512 && ollama.runs.length > 20,
      figures: `${sockets.length} streams that are never read: ${impact.figures}, after 2 s ${rss} MB`,
    };
  },
);
