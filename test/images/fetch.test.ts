import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { GatewayError } from '../../src/errors.ts';
import { ImageFetcher, type ImageLimits } from '../../src/images/fetch.ts';
import { isPublicAddress } from '../../src/images/guard.ts';
import type { Resolve } from '../../src/images/resolve.ts';
import { until } from '../helpers/wait.ts';
import { type Answer, type Origin, bareOrigin, left, origin } from './origin.ts';
import { images, svg } from './samples.ts';

const param = 'messages[0].content[1].image_url.url';
const privateHost = 'its host has a private or reserved address';
const notAnImage = 'it is not a png, jpeg, webp or gif image';

const never = (): AbortSignal => new AbortController().signal;
const anyAddress = (): boolean => true;
const toLoopback: Resolve = () => Promise.resolve(['127.0.0.1']);

/** A fetcher that may connect to the port of `server`. */
function fetcherFor(
  { port }: Pick<Origin, 'port'>,
  limits: Partial<ImageLimits> = {},
  isAllowed: (address: string) => boolean = anyAddress,
  resolve: Resolve = toLoopback,
): ImageFetcher {
  return new ImageFetcher({ bytes: 1000, timeout: 10_000, redirects: 3, ports: [port], ...limits }, isAllowed, resolve);
}

async function refused(fetched: Promise<string>, why: string): Promise<void> {
  await assert.rejects(fetched, {
    name: 'GatewayError',
    code: 'invalid_value',
    status: 400,
    param,
    message: `${param} cannot be fetched: ${why}.`,
  });
}

const sends =
  (body: Uint8Array, headers: Record<string, string> = {}): Answer =>
  (res) => {
    res.writeHead(200, { 'content-type': 'image/png', ...headers }).end(body);
  };

const redirectsTo =
  (location: string, status = 302): Answer =>
  (res, url) => {
    if (url === '/start') res.writeHead(status, { location }).end('moved');
    else sends(images.png)(res, url);
  };

suite('images by URL', { timeout: 30_000 }, () => {
  test('fetches each type, whatever its content-type', async () => {
    for (const bytes of Object.values(images)) {
      await using server = await origin(sends(bytes, { 'content-type': 'text/html' }));
      const url = `http://127.0.0.1:${server.port}/`;
      assert.equal(await fetcherFor(server).fetch(url, param, never()), bytes.toString('base64'));
    }
  });

  test('fetches a body in chunks without a content-length', async () => {
    await using server = await origin((res) => {
      for (const byte of images.gif) res.write(Buffer.from([byte]));
      res.end();
    });
    const url = `http://images.example:${server.port}/a.gif`;
    assert.equal(await fetcherFor(server).fetch(url, param, never()), images.gif.toString('base64'));
  });

  test('sends no information about client or gateway, and closes the connection', async () => {
    await using server = await origin(sends(images.png));
    await fetcherFor(server).fetch(`http://images.example:${server.port}/a%20b.png?c=d&e=/f#g`, param, never());
    assert.deepEqual(server.requests, [
      {
        method: 'GET',
        url: '/a%20b.png?c=d&e=/f',
        headers: {
          host: `images.example:${server.port}`,
          connection: 'close',
          'user-agent': 'llamaduct',
          accept: 'image/png, image/jpeg, image/webp, image/gif',
          'accept-encoding': 'identity',
        },
      },
    ]);
    await left(server);
  });

  test('refuses anything but images, whatever its content-type', async () => {
    const others = [svg, Buffer.from('<!doctype html>'), Buffer.alloc(0), gzipSync(images.png), Buffer.alloc(500, 1)];
    for (const body of others) {
      await using server = await origin(sends(body));
      await refused(fetcherFor(server).fetch(`http://127.0.0.1:${server.port}/`, param, never()), notAnImage);
    }
  });

  test('refuses a compressed body', async () => {
    for (const encoding of ['gzip', 'br', 'identity, gzip', 'x-unknown']) {
      await using server = await origin(sends(gzipSync(images.png), { 'content-encoding': encoding }));
      const url = `http://127.0.0.1:${server.port}/`;
      await refused(fetcherFor(server).fetch(url, param, never()), 'its server sent it compressed');
      await left(server);
    }
    await using server = await origin(sends(images.png, { 'content-encoding': 'identity' }));
    await fetcherFor(server).fetch(`http://127.0.0.1:${server.port}/`, param, never());
  });

  test('refuses any status but 200', async () => {
    for (const status of [201, 204, 206, 300, 302, 304, 400, 401, 403, 404, 429, 500, 503]) {
      await using server = await origin((res) => res.writeHead(status).end(status === 204 ? undefined : images.png));
      const url = `http://127.0.0.1:${server.port}/`;
      await refused(fetcherFor(server).fetch(url, param, never()), `its server answered with status ${status}`);
    }
  });

  test('refuses when the server closes the connection, does not speak HTTP, or cannot be reached', async () => {
    const broken = 'its server broke the connection or does not speak HTTP';
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n';
    for (const text of ['', 'SSH-2.0-OpenSSH_9.6\r\n', head, `${head}\x89PNG`, 'HTTP/1.1 200 OK\r\n']) {
      await using server = await bareOrigin((socket) => socket.end(text));
      await refused(fetcherFor(server).fetch(`http://127.0.0.1:${server.port}/`, param, never()), broken);
    }
    const server = await bareOrigin(() => undefined);
    await server[Symbol.asyncDispose]();
    for (const host of ['127.0.0.1', 'images.example']) {
      const fetched = fetcherFor(server).fetch(`http://${host}:${server.port}/`, param, never());
      await refused(fetched, 'its server cannot be reached');
    }
  });
});

suite('sizes', { timeout: 30_000 }, () => {
  const bytes = 500;
  const ofSize = (size: number): Buffer => Buffer.concat([images.png, Buffer.alloc(size)], size);

  test('fetches an image of the maximum size, and refuses one byte more', async () => {
    for (const [size, accepted] of [
      [bytes, true],
      [bytes + 1, false],
    ] as const) {
      const whole: Answer = sends(ofSize(size), { 'content-length': `${size}` });
      const chunked: Answer = (res) => {
        res.write(ofSize(size).subarray(0, 100));
        res.end(ofSize(size).subarray(100));
      };
      for (const answer of [whole, chunked]) {
        await using server = await origin(answer);
        const fetched = fetcherFor(server, { bytes }).fetch(`http://127.0.0.1:${server.port}/`, param, never());
        if (accepted) assert.equal(await fetched, ofSize(size).toString('base64'));
        else await refused(fetched, 'it is larger than 500 bytes');
      }
    }
  });

  test('refuses a content-length beyond the maximum without reading the body', async () => {
    await using server = await origin((res) => res.writeHead(200, { 'content-length': '1000000000' }).flushHeaders());
    const fetched = fetcherFor(server, { bytes }).fetch(`http://127.0.0.1:${server.port}/`, param, never());
    await refused(fetched, 'it is larger than 500 bytes');
    await left(server);
  });

  test('stops reading an endless body at the maximum', async () => {
    await using server = await origin((res) => {
      const write = (): void => {
        while (!res.closed && res.write(ofSize(100)));
      };
      res.on('drain', write);
      write();
    });
    const fetched = fetcherFor(server, { bytes }).fetch(`http://127.0.0.1:${server.port}/`, param, never());
    await refused(fetched, 'it is larger than 500 bytes');
    await left(server);
  });

  test('does not read the body of a redirect', async () => {
    await using server = await origin((res, url) => {
      if (url === '/end') res.end(images.png);
      else res.writeHead(302, { location: '/end' }).write(ofSize(10_000));
    });
    const fetched = fetcherFor(server, { bytes }).fetch(`http://127.0.0.1:${server.port}/`, param, never());
    assert.equal(await fetched, images.png.toString('base64'));
    await left(server);
  });
});

suite('URLs', { timeout: 30_000 }, () => {
  const nowhere = { port: 80 };

  test('refuses other schemes, user names and invalid URLs', async () => {
    const cases: readonly (readonly [string, string])[] = [
      ['', 'it is not a valid URL'],
      ['a.png', 'it is not a valid URL'],
      ['//example.com/a.png', 'it is not a valid URL'],
      ['http://', 'it is not a valid URL'],
      ['http://a b/', 'it is not a valid URL'],
      ['http://[::1%25lo]/', 'it is not a valid URL'],
      ['http://127.0.0.1:99999/', 'it is not a valid URL'],
      ['file:///etc/passwd', 'its URL must be http or https'],
      ['ftp://example.com/a.png', 'its URL must be http or https'],
      ['gopher://127.0.0.1:6379/_x', 'its URL must be http or https'],
      ['data:image/png;base64,AAAA', 'its URL must be http or https'],
      ['javascript:1', 'its URL must be http or https'],
      ['unix:/var/run/docker.sock', 'its URL must be http or https'],
      ['http://user@example.com/', 'its URL must not contain a user name or password'],
      ['http://:secret@example.com/', 'its URL must not contain a user name or password'],
      ['http://example.com@127.0.0.1/', 'its URL must not contain a user name or password'],
    ];
    for (const [url, why] of cases) await refused(fetcherFor(nowhere).fetch(url, param, never()), why);
  });

  test('allows ports 80 and 443 only, unless others are configured', async () => {
    const limits = { bytes: 1000, timeout: 10_000, redirects: 0 };
    const only = 'its port must be 80 or 443';
    for (const port of [22, 81, 6379, 8080, 11434, 0]) {
      await refused(new ImageFetcher(limits).fetch(`http://1.1.1.1:${port}/`, param, never()), only);
    }
    for (const url of ['http://127.0.0.1', 'https://127.0.0.1', 'http://127.0.0.1:443', 'https://127.0.0.1:80']) {
      await refused(new ImageFetcher(limits).fetch(url, param, never()), privateHost);
    }
    const fetcher = new ImageFetcher({ ...limits, ports: [8443] });
    await refused(fetcher.fetch('https://127.0.0.1/', param, never()), 'its port must be 8443');
  });
});

suite('addresses', { timeout: 30_000 }, () => {
  test('does not connect to this machine with the default guard, by address or by name', async () => {
    await using server = await origin(sends(images.png));
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0',
      'localhost',
      'a.localhost',
      '[::1]',
      '[::ffff:7f00:1]',
      'evil.example',
    ];
    for (const host of hosts) {
      const fetcher = fetcherFor(server, {}, isPublicAddress);
      await refused(fetcher.fetch(`http://${host}:${server.port}/`, param, never()), privateHost);
    }
    assert.deepEqual(server.reachedAt, []);
  });

  test('refuses a name without addresses, and one whose lookup fails', async () => {
    const resolvers: Resolve[] = [() => Promise.resolve([]), () => Promise.reject(new Error('ENOTFOUND'))];
    for (const resolve of resolvers) {
      const fetched = fetcherFor({ port: 80 }, {}, anyAddress, resolve).fetch('http://no.example/', param, never());
      await refused(fetched, 'its host name does not resolve');
    }
  });

  test('connects only to the allowed addresses of a name', async () => {
    await using server = await origin(sends(images.png));
    const checked: string[] = [];
    const isAllowed = (address: string): boolean => {
      checked.push(address);
      return address === '127.0.0.3';
    };
    const all = ['127.0.0.1', '::1', '127.0.0.3', '10.0.0.1'];
    const fetcher = fetcherFor(server, {}, isAllowed, () => Promise.resolve(all));
    await fetcher.fetch(`http://images.example:${server.port}/`, param, never());
    assert.deepEqual(checked, all);
    assert.deepEqual(server.reachedAt, ['127.0.0.3']);
  });

  test('tries the next address when the first cannot be reached', async () => {
    await using server = await origin(sends(images.png));
    const fetcher = fetcherFor(server, {}, anyAddress, () => Promise.resolve(['::1', '127.0.0.1']));
    await fetcher.fetch(`http://images.example:${server.port}/`, param, never());
    assert.deepEqual(server.reachedAt, ['127.0.0.1']);
  });

  test('connects to the checked address even if the name resolves to another one by then', async () => {
    await using server = await origin(sends(images.png));
    const answers = ['127.0.0.1', '127.0.0.2'];
    const resolve: Resolve = () => Promise.resolve([answers.shift() ?? '']);
    const fetcher = fetcherFor(server, {}, (address) => address === '127.0.0.1', resolve);
    const url = `http://rebinds.example:${server.port}/`;
    await fetcher.fetch(url, param, never());
    assert.deepEqual(server.reachedAt, ['127.0.0.1']);
    assert.deepEqual(answers, ['127.0.0.2'], 'resolved once: the socket does not resolve again');
    await refused(fetcher.fetch(url, param, never()), privateHost);
    assert.deepEqual(server.reachedAt, ['127.0.0.1']);
  });

  test('checks a name again for each redirect', async () => {
    await using server = await origin(redirectsTo('/end'));
    const answers = ['127.0.0.1', '127.0.0.2'];
    const resolve: Resolve = () => Promise.resolve([answers.shift() ?? '']);
    const fetcher = fetcherFor(server, {}, (address) => address === '127.0.0.1', resolve);
    const fetched = fetcher.fetch(`http://rebinds.example:${server.port}/start`, param, never());
    await refused(fetched, `after a redirect, ${privateHost}`);
    assert.deepEqual(server.reachedAt, ['127.0.0.1']);
  });
});

suite('redirects', { timeout: 30_000 }, () => {
  test('are followed for each status, to relative and absolute URLs', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      await using server = await origin(redirectsTo('/end?x', status));
      await fetcherFor(server).fetch(`http://127.0.0.1:${server.port}/start`, param, never());
      assert.deepEqual(
        server.requests.map(({ url }) => url),
        ['/start', '/end?x'],
      );
    }
    await using second = await origin(sends(images.png));
    await using first = await origin(redirectsTo(`http://other.example:${second.port}/a.png`));
    const fetcher = fetcherFor(first, { ports: [first.port, second.port] });
    await fetcher.fetch(`http://127.0.0.1:${first.port}/start`, param, never());
    assert.equal(second.requests[0]?.headers.host, `other.example:${second.port}`);
    assert.equal(second.requests[0]?.headers.referer, undefined);
  });

  test('to a forbidden address are refused in any spelling', async () => {
    const spellings = ['127.0.0.2', '0x7f.2', '2130706434', '017700000002', '[::ffff:127.0.0.2]', '127.0.0.2.'];
    for (const host of spellings) {
      let place = '';
      await using server = await origin((res, url) => redirectsTo(place)(res, url));
      place = `http://${host}:${server.port}/end`;
      const fetcher = fetcherFor(server, {}, (address) => address === '127.0.0.1');
      const fetched = fetcher.fetch(`http://127.0.0.1:${server.port}/start`, param, never());
      await refused(fetched, `after a redirect, ${privateHost}`);
      assert.deepEqual(server.reachedAt, ['127.0.0.1'], host);
    }
  });

  test('to anything else that is not allowed are refused', async () => {
    const cases: readonly (readonly [string, string])[] = [
      ['file:///etc/passwd', 'its URL must be http or https'],
      ['data:image/png;base64,AAAA', 'its URL must be http or https'],
      ['http://', 'it is not a valid URL'],
      ['http://user:secret@127.0.0.1/', 'its URL must not contain a user name or password'],
      ['//127.0.0.1:1/', 'its port must be'],
    ];
    for (const [place, why] of cases) {
      await using server = await origin(redirectsTo(place));
      const fetched = fetcherFor(server).fetch(`http://127.0.0.1:${server.port}/start`, param, never());
      const expected = why === 'its port must be' ? `its port must be ${server.port}` : why;
      await refused(fetched, `after a redirect, ${expected}`);
      assert.equal(server.requests.length, 1);
    }
  });

  test('are followed up to the limit', async () => {
    await using server = await origin((res, url) => {
      const left = Number(url.slice(1));
      if (left === 0) res.end(images.png);
      else res.writeHead(302, { location: `/${left - 1}` }).end();
    });
    const fetcher = fetcherFor(server, { redirects: 3 });
    await fetcher.fetch(`http://127.0.0.1:${server.port}/3`, param, never());
    assert.equal(server.requests.length, 4);
    await refused(fetcher.fetch(`http://127.0.0.1:${server.port}/4`, param, never()), 'it redirects more than 3 times');
    assert.equal(server.requests.length, 8);
    const none = fetcherFor(server, { redirects: 0 }).fetch(`http://127.0.0.1:${server.port}/1`, param, never());
    await refused(none, 'it redirects more than 0 times');
    await left(server);
  });
});

suite('error messages', { timeout: 30_000 }, () => {
  test('do not contain the address behind a name', async () => {
    await using server = await bareOrigin((socket) => socket.destroy());
    const isAllowed = (address: string): boolean => address === '127.0.0.1';
    for (const address of ['127.0.0.1', '127.0.0.9', '::1']) {
      const fetcher = fetcherFor(server, {}, isAllowed, () => Promise.resolve([address]));
      const error: unknown = await fetcher
        .fetch(`http://internal.example:${server.port}/`, param, never())
        .catch((thrown: unknown) => thrown);
      assert.ok(error instanceof GatewayError);
      assert.doesNotMatch(error.message, /127|::|internal/);
    }
  });
});

suite('silent servers and waits', { timeout: 30_000, concurrency: true }, () => {
  const silent: Resolve = async (_host, signal) =>
    await new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('cancelled')));
    });
  interface Phase {
    readonly server: Origin;
    /** Scheme and host. */
    readonly base?: string;
    readonly reached: () => boolean;
  }
  /** Servers that stop responding, each in another phase. */
  const phases: Record<string, () => Promise<Phase>> = {
    'before the lookup answers': async () => {
      const server = await bareOrigin(() => undefined);
      return { server, base: 'http://slow.example', reached: () => true };
    },
    'in the TLS handshake': async () => {
      const server = await bareOrigin(() => undefined);
      return { server, base: 'https://127.0.0.1', reached: () => server.reachedAt.length === 1 };
    },
    'before the head': async () => {
      const server = await origin(() => undefined);
      return { server, reached: () => server.requests.length === 1 };
    },
    'in the head': async () => {
      const server = await bareOrigin((socket) => socket.write('HTTP/1.1 200 OK\r\nx: '));
      return { server, reached: () => server.reachedAt.length === 1 };
    },
    'in the body': async () => {
      const server = await origin((res) => res.write(images.png));
      return { server, reached: () => server.requests.length === 1 };
    },
    'after a redirect': async () => {
      const server = await origin((res, url) => {
        if (url === '/') res.writeHead(302, { location: '/next' }).end();
      });
      return { server, reached: () => server.requests.length === 2 };
    },
  };

  for (const [phase, begin] of Object.entries(phases)) {
    test(`aborts when the client disconnects while the server is silent ${phase}`, async () => {
      const { server, base = 'http://127.0.0.1', reached } = await begin();
      await using _ = server;
      const client = new AbortController();
      const fetcher = fetcherFor(server, {}, anyAddress, silent);
      const fetched = fetcher.fetch(`${base}:${server.port}/`, param, client.signal);
      const reason = new GatewayError('client_closed', 'The client closed the connection.');
      const rejected = assert.rejects(fetched, (error) => error === reason);
      await until('the phase', reached);
      client.abort(reason);
      await rejected;
      await left(server);
    });

    test(`aborts at the timeout while the server is silent ${phase}`, async () => {
      const { server, base = 'http://127.0.0.1', reached } = await begin();
      await using _ = server;
      const fetcher = fetcherFor(server, { timeout: 500 }, anyAddress, silent);
      await refused(fetcher.fetch(`${base}:${server.port}/`, param, never()), 'it took longer than 0.5 s');
      assert.ok(reached());
      await left(server);
    });
  }

  test('has one timeout for all redirects', async () => {
    await using server = await origin((res) => void setTimeout(() => res.writeHead(302, { location: '/' }).end(), 60));
    const fetcher = fetcherFor(server, { timeout: 500, redirects: 1000 });
    await refused(fetcher.fetch(`http://127.0.0.1:${server.port}/`, param, never()), 'it took longer than 0.5 s');
    assert.ok(server.requests.length > 1);
    await left(server);
  });

  test('fetches nothing for a client that has disconnected', async () => {
    await using server = await origin(sends(images.png));
    const reason = new Error('left');
    const fetched = fetcherFor(server).fetch(`http://127.0.0.1:${server.port}/`, param, AbortSignal.abort(reason));
    await assert.rejects(fetched, (error) => error === reason);
    assert.deepEqual(server.reachedAt, []);
  });

  test('close aborts running and waiting fetches', async () => {
    await using server = await origin(() => undefined);
    const fetcher = fetcherFor(server);
    const fetched = Array.from(
      { length: 20 },
      async () => await fetcher.fetch(`http://127.0.0.1:${server.port}/`, param, never()),
    );
    const ended = Promise.all(
      fetched.map(async (one) => await assert.rejects(one, { code: 'shutting_down', status: 503, retryAfter: 5 })),
    );
    await until('16 to be fetched', () => server.open === 16);
    await fetcher.close();
    await ended;
    await left(server);
  });

  test('runs 16 fetches at a time, the others in FIFO order', async () => {
    let held: (() => void)[] | undefined = [];
    await using server = await origin((res, url) => {
      const answer = (): void => sends(images.png)(res, url);
      if (held === undefined) answer();
      else held.push(answer);
    });
    const fetcher = fetcherFor(server);
    const client = new AbortController();
    const fetch = async (index: number, signal = never()): Promise<string> =>
      await fetcher.fetch(`http://127.0.0.1:${server.port}/${index}`, param, signal);
    const first = Array.from({ length: 16 }, async (_, index) => await fetch(index));
    const leaver = assert.rejects(fetch(16, client.signal), { message: 'left' });
    const last = [17, 18, 19].map(async (index) => await fetch(index));
    await until('16 to be fetched', () => held?.length === 16);
    client.abort(new Error('left'));
    await leaver;
    assert.equal(server.reachedAt.length, 16);
    const answers = held;
    held = undefined;
    for (const answer of answers) answer();
    await Promise.all([...first, ...last]);
    assert.deepEqual(
      new Set(server.requests.map(({ url }) => url)),
      new Set([...Array(16).keys(), 17, 18, 19].map((index) => `/${index}`)),
    );
  });
});
