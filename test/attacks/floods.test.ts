import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Verdict, attack, impactOf, overload } from './attack.ts';
import { type RawRequest, bytesOf, hold, send } from './client.ts';
import { MB, Target, Watch, key, secrets } from './target.ts';

// Many requests or connections: nobody else waits, and memory and the log stay small.

const small: RawRequest = {
  path: '/v1/chat/completions',
  body: { model: 'plain', stream: false, messages: [{ role: 'user', content: 'x' }] },
};

/** Statuses that another key gets, five times within two seconds. */
async function othersGet(target: Target, request: RawRequest = small): Promise<number[]> {
  const got: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    got.push((await send(target.port, { as: secrets.victim, ...request, patience: 5000 })).status);
    await sleep(300);
  }
  return got;
}

function allServed(statuses: readonly number[], what: string): Verdict {
  return {
    held: statuses.every((status) => status === 200),
    figures: `${what}: another key gets ${statuses.join(' ')} (200)`,
  };
}

/** Holds connections while others use llamaduct. @param seconds for which they are held */
async function flood(target: Target, open: () => readonly Socket[], seconds = 3): Promise<Verdict> {
  const before = target.rss;
  const watch = new Watch(target);
  const sockets = open();
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end && watch.wait < 8) await sleep(100);
  const impact = impactOf(watch, before);
  watch.stop();
  for (const socket of sockets) socket.destroy();
  return { ...impact, figures: `${sockets.length} connections: ${impact.figures}` };
}

const many = (count: number, open: (n: number) => Socket): Socket[] => Array.from({ length: count }, (_, n) => open(n));

const pipelined: Readonly<Record<string, RawRequest>> = {
  'requests without a key': { path: '/v1/models' },
  'requests with a wrong key': { path: '/v1/models', as: 'ld-no-key' },
  'requests for no path': { path: '/nothing/here' },
  'requests for /healthz': { path: '/healthz' },
  'bodies without a key': { path: '/v1/chat/completions', body: 'x'.repeat(500) },
  'requests of one key': { path: '/v1/models', as: secrets.limited },
};
for (const [what, request] of Object.entries(pipelined)) {
  attack(`pipelined ${what} whose responses are never read stop nobody`, {}, async ({ target }) => {
    const one = bytesOf({ ...request, headers: { connection: 'keep-alive' } });
    const burst = Buffer.concat(Array.from({ length: Math.floor((256 * 1024) / one.length) }, () => one));
    return await flood(target, () => many(60, () => hold(target.port, burst, false)));
  });
}

attack('heads that arrive byte by byte stop nobody', {}, async ({ target }) => {
  const sockets = many(300, () => hold(target.port, 'GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: '));
  const timer = setInterval(() => {
    for (const socket of sockets) if (!socket.destroyed) socket.write('x');
  }, 100);
  const verdict = await flood(target, () => sockets);
  clearInterval(timer);
  return verdict;
});

/** 18 MiB of small objects, which take many times as much memory when they are parsed. */
const large = Buffer.from(
  `{"model":"plain","stream":false,"messages":[{"role":"user","content":"x"}],"x":[${'{"a":1},'.repeat((18 * MB) / 8 - 20)}0]}`,
);
const largeText = Buffer.from(
  `{"model":"plain","stream":false,"messages":[{"role":"user","content":"${'x'.repeat(18 * MB)}"}]}`,
);

attack('thirty bodies of 18 MiB of one key take little memory', { ollama: { hangs: true } }, async ({ target }) => {
  const bodies = Array.from({ length: 30 }, () => ({ ...small, body: large }));
  return await overload(target, bodies, 6000);
});

attack(
  'thirty prompts of 18 MiB that wait for a model take little memory',
  { ollama: { hangs: true } },
  async ({ target }) => {
    const paths = ['/v1/chat/completions', '/api/chat', '/v1/messages'];
    const bodies = Array.from({ length: 30 }, (_, n) => ({ path: paths[n % paths.length] ?? '', body: largeText }));
    return await overload(target, bodies, 6000);
  },
);

attack('bodies of 18 MiB that never end take little memory', {}, async ({ target }) => {
  const heads = many(60, (n) => {
    const length = n % 2 === 0 ? `content-length: ${large.length}` : 'transfer-encoding: chunked';
    const socket = hold(
      target.port,
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${secrets.limited}\r\n${length}\r\n\r\n`,
    );
    if (n % 2 === 1) socket.write(`${(17 * MB).toString(16)}\r\n`);
    socket.write(large.subarray(0, 17 * MB));
    return socket;
  });
  return await flood(target, () => heads);
});

attack(
  'a key that opens requests whose bodies never come does not take all of limits.in_flight',
  { config: { limits: { in_flight: 64 } } },
  async ({ target }) => {
    const head = bytesOf({ ...small, as: secrets.limited, body: '{', headers: { 'content-length': '100' } });
    const sockets = many(80, () => hold(target.port, head));
    await sleep(800);
    const statuses = await othersGet(target);
    for (const socket of sockets) socket.destroy();
    return allServed(statuses, '80 such requests, in_flight 64');
  },
);

attack(
  'a key whose requests all wait for a model does not take all of limits.in_flight',
  {
    config: { limits: { in_flight: 64 } },
    ollama: { answer: (_, { path, fields }) => path !== '/api/show' && fields['model'] === 'tiny' },
  },
  async ({ target }) => {
    const request = bytesOf({
      ...small,
      as: secrets.limited,
      body: { model: 'tiny', messages: [{ role: 'user', content: 'x' }] },
    });
    const sockets = many(80, () => hold(target.port, request));
    await sleep(800);
    const statuses = await othersGet(target);
    for (const socket of sockets) socket.destroy();
    return allServed(statuses, '80 such requests, in_flight 64');
  },
);

attack(
  'requests without a key that are not complete do not take all of limits.in_flight',
  { config: { limits: { in_flight: 64 } } },
  async ({ target }) => {
    const head = bytesOf({
      ...small,
      body: '{',
      headers: { 'content-length': '100', authorization: 'Bearer ld-no-key' },
    });
    const sockets = many(200, () => hold(target.port, head));
    await sleep(800);
    const statuses = await othersGet(target);
    for (const socket of sockets) socket.destroy();
    return allServed(statuses, '200 such requests, in_flight 64');
  },
);

/** A token whose signature is not that of the provider, for another signing key each time. */
function forged(n: number, privateKey: Parameters<typeof sign>[2]): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: 'https://id.example.org',
    aud: 'llamaduct',
    sub: `s${n}`,
    exp: Math.floor(Date.now() / 1000) + 600,
  };
  const text = `${part({ alg: 'RS256', kid: `k${n}` })}.${part(claims)}`;
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`;
}

for (const delay of [3000, undefined]) {
  const outage = delay === undefined ? 'never answers' : `takes ${delay / 1000} s`;
  attack(
    `forged tokens do not take all of limits.in_flight while the identity provider ${outage}`,
    {},
    async ({ ollama }) => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const provider = createServer((_, res) => {
        const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'ours', alg: 'RS256', use: 'sig' }];
        if (delay !== undefined)
          setTimeout(() => res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys })), delay);
      });
      await new Promise<void>((resolve) => {
        provider.listen(0, '127.0.0.1', resolve);
      });
      const jwks_url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/keys`;
      await using target = await Target.start({
        log_level: 'error',
        upstreams: [{ name: 'ollama', url: ollama.url }],
        keys: [key('victim')],
        limits: { in_flight: 50 },
        jwt: { issuer: 'https://id.example.org', audience: 'llamaduct', jwks_url },
      });
      const tokens = Array.from({ length: 300 }, (_, n) => forged(n, privateKey));
      const waiting = tokens.map(async (as) => await send(target.port, { path: '/v1/models', as, patience: 4500 }));
      await sleep(400);
      const statuses = await othersGet(target, { path: '/v1/models' });
      const accepted = (await Promise.all(waiting)).filter(({ status }) => status === 200).length;
      provider.closeAllConnections();
      provider.close();
      const verdict = allServed(statuses, '300 forged tokens, in_flight 50');
      return {
        held: verdict.held && accepted === 0,
        figures: `${verdict.figures}, ${accepted} forged tokens are accepted (none)`,
      };
    },
  );
}

attack(
  'one address that opens every connection and says nothing does not keep others out',
  { config: { limits: { connections: 200 } } },
  async ({ target }) => {
    const sockets = many(230, () => hold(target.port, ''));
    await sleep(500);
    const began = performance.now();
    let status = 0;
    while (status !== 200 && performance.now() - began < 12_000) {
      ({ status } = await send(target.port, { path: '/healthz', patience: 1000 }));
      await sleep(100);
    }
    const waited = (performance.now() - began) / 1000;
    for (const socket of sockets) socket.destroy();
    return {
      held: waited <= 5,
      figures: `230 silent connections, 200 allowed: others are served after ${waited.toFixed(1)} s (at most 5)`,
    };
  },
);

const refused: Readonly<Record<string, Buffer>> = {
  'requests without a key': bytesOf({ path: '/v1/models', headers: { connection: 'keep-alive' } }),
  'requests with a long target': bytesOf({ path: `/${'x'.repeat(4000)}`, headers: { connection: 'keep-alive' } }),
  'malformed requests': Buffer.from('GARBAGE\r\n\r\n'),
  'wrong keys': bytesOf({ path: '/v1/models', as: 'x'.repeat(500), headers: { connection: 'keep-alive' } }),
};
for (const [what, one] of Object.entries(refused)) {
  attack(`${what} let the log grow by at most 1 MB a minute`, { config: { log_level: 'info' } }, async ({ target }) => {
    const burst = Buffer.concat(Array.from({ length: 20 }, () => one));
    const sockets = many(4, () => hold(target.port, burst));
    const before = target.logged;
    const began = performance.now();
    let sent = 80;
    while (performance.now() - began < 3000) {
      for (const [index, socket] of sockets.entries()) {
        if (socket.destroyed) sockets[index] = hold(target.port, burst);
        else socket.write(burst);
        sent += 20;
      }
      await sleep(40);
    }
    for (const socket of sockets) socket.destroy();
    await sleep(300);
    const perMinute = ((target.logged - before) * 60_000) / (performance.now() - began) / 1e6;
    return {
      held: perMinute <= 1,
      figures: `${sent} in 3 s: the log grows by ${perMinute.toFixed(2)} MB a minute (at most 1)`,
    };
  });
}

attack('a GET with a body costs no upstream its health', {}, async ({ target, send: ask }) => {
  const odd: RawRequest[] = ['/api/tags', '/api/version', '/api/ps', '/'].flatMap((path) => [
    { method: 'GET', path, body: 'hello' },
    { method: 'HEAD', path, body: 'hello' },
    { method: 'GET', path, headers: { 'content-length': '0' } },
  ]);
  const statuses: number[] = [];
  for (const request of odd) statuses.push((await ask({ ...request, patience: 2000 })).status);
  const failed = statuses.filter((status) => status >= 500).length;
  const others = await othersGet(target);
  return {
    held: failed === 0 && others.every((status) => status === 200),
    figures: `${failed} of ${odd.length} give a 5xx (none); then another key gets ${others.join(' ')} (200)`,
  };
});
