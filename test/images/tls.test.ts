import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { ImageFetcher } from '../../src/images/fetch.ts';
import { selfSigned } from './certificate.ts';
import { type Origin, left, origin } from './origin.ts';
import { images } from './samples.ts';

const trusted = selfSigned('images.example');
const unknown = selfSigned('images.example');

function fetchFrom(url: string, ...servers: readonly Origin[]): Promise<string> {
  const limits = { bytes: 1000, timeout: 10_000, redirects: 3, ports: servers.map(({ port }) => port) };
  const fetcher = new ImageFetcher(
    limits,
    () => true,
    () => Promise.resolve(['127.0.0.1']),
  );
  return fetcher.fetch(url, 'url', new AbortController().signal);
}

suite('https', { timeout: 30_000 }, () => {
  before(() => setDefaultCACertificates([...getCACertificates('default'), trusted.cert]));

  test('fetches an image from a server with a valid certificate', async () => {
    await using server = await origin((res) => res.end(images.webp), trusted);
    const url = `https://images.example:${server.port}/`;
    assert.equal(await fetchFrom(url, server), images.webp.toString('base64'));
    await left(server);
  });

  test('refuses a certificate of an unknown issuer or another name', async () => {
    const message = "url cannot be fetched: its server's certificate is not valid.";
    await using server = await origin((res) => res.end(images.webp), trusted);
    for (const host of ['other.example', '127.0.0.1'])
      await assert.rejects(fetchFrom(`https://${host}:${server.port}/`, server), { status: 400, message });
    await using stranger = await origin((res) => res.end(images.webp), unknown);
    await assert.rejects(fetchFrom(`https://images.example:${stranger.port}/`, stranger), { status: 400, message });
    assert.deepEqual([...server.requests, ...stranger.requests], []);
  });

  test('follows a redirect from http to https, but not back', async () => {
    await using plain = await origin((res, url) => {
      if (url === '/start') res.writeHead(302, { location: `https://images.example:${secure.port}/back` }).end();
      else res.end(images.png);
    });
    await using secure = await origin((res, url) => {
      const location = `http://images.example:${plain.port}/end`;
      if (url === '/back') res.writeHead(302, { location }).end();
      else res.end(images.png);
    }, trusted);
    await assert.rejects(fetchFrom(`http://images.example:${plain.port}/start`, plain, secure), {
      status: 400,
      message: 'url cannot be fetched: after a redirect, it would switch from https to http.',
    });
    assert.deepEqual([plain.requests.length, secure.requests.length], [1, 1]);
  });
});
