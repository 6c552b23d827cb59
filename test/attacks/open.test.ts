import { freePort } from '../helpers/free-port.ts';
import { until } from '../helpers/wait.ts';
import { attack } from './attack.ts';
import { type RawRequest, send } from './client.ts';
import { Target } from './target.ts';

// access: open on loopback: what a web page in a browser on this machine can do.

const body = JSON.stringify({ model: 'plain', stream: false, messages: [{ role: 'user', content: 'x' }] });

attack(
  'access: open on loopback serves no page of another site',
  { config: { access: 'open', keys: [] } },
  async ({ target, ollama }) => {
    const { port } = target;
    const evil = 'http://evil.example';
    const tries: RawRequest[] = [
      { path: '/v1/models', headers: { host: 'evil.example' } },
      { path: '/api/tags', headers: { host: `evil.example:${port}` } },
      { path: '/api/chat', body, headers: { host: `evil.example:${port}`, origin: `${evil}:${port}` } },
      { path: '/api/chat', body, headers: { host: `localhost.evil.example:${port}` } },
      { path: '/api/chat', body, headers: { host: `127.0.0.1.evil.example:${port}` } },
      { path: '/api/chat', body, headers: { host: `localhost:${port}`, origin: evil } },
      { path: '/api/chat', body, headers: { host: `localhost:${port}`, origin: 'http://localhost.evil.example' } },
      { path: '/api/chat', body, headers: { host: `localhost:${port}`, origin: 'null' } },
      {
        path: '/v1/chat/completions',
        body,
        headers: { host: `localhost:${port}`, origin: 'https://evil.example', 'content-type': 'text/plain' },
      },
      {
        path: '/v1/chat/completions',
        body,
        headers: { host: `localhost:${port}`, 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' },
      },
      { path: '/v1/responses/resp_1', method: 'DELETE', headers: { host: 'evil.example' } },
      { path: '/metrics', headers: { host: 'evil.example' } },
    ];
    const through: string[] = [];
    for (const request of tries) {
      const { status, head } = await send(port, request);
      const served = status < 400 || (status === 404 && request.method === 'DELETE');
      if (served || /access-control-allow-origin/.test(head))
        through.push(`${request.path} ${JSON.stringify(request.headers)}`);
    }
    const runs = ollama.runs.length;
    const own: number[] = [];
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'LOCALHOST']) {
      own.push((await send(port, { path: '/api/chat', body, headers: { host } })).status);
    }
    own.push(
      (
        await send(port, {
          path: '/api/chat',
          body,
          headers: { host: 'localhost', origin: `http://localhost:${port}` },
        })
      ).status,
    );
    return {
      held: through.length === 0 && runs === 0 && own.every((status) => status === 200),
      figures: `${through.length} of ${tries.length} are served (none), ${runs} runs; local clients get ${own.join(' ')} (200) ${through.slice(0, 4).join('; ')}`,
    };
  },
);

attack(
  'access: open prints a warning on loopback as well',
  { config: { access: 'open', keys: [] } },
  async ({ target }) => {
    const warned = (): boolean => /warning: access is open/.test(target.log);
    await until('the warning', warned, 3000).catch(() => undefined);
    return { held: warned(), figures: warned() ? 'there is a warning' : 'there is no warning' };
  },
);

attack('metrics.listen on loopback serves no page of another site', {}, async ({ ollama }) => {
  const port = await freePort();
  await using target = await Target.start({
    access: 'open',
    log_level: 'error',
    upstreams: [{ name: 'ollama', url: ollama.url }],
    metrics: { listen: `127.0.0.1:${port}` },
  });
  const rebound = await send(port, { path: '/metrics', headers: { host: 'evil.example' } });
  const foreign = await send(port, {
    path: '/metrics',
    headers: { host: `127.0.0.1:${port}`, origin: 'http://evil.example' },
  });
  const own = await send(port, { path: '/metrics', headers: { host: `127.0.0.1:${port}` } });
  return {
    held: rebound.status >= 400 && foreign.status >= 400 && own.status === 200 && !target.hasExited,
    figures: `rebound ${rebound.status}, with a foreign Origin ${foreign.status} (refused); Prometheus gets ${own.status} (200)`,
  };
});
