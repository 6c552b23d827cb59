import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, mock, test } from 'node:test';
import { type JWK, type JWTPayload, SignJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { type JwtOptions, TokenVerifier } from '../../src/policy/tokens.ts';

const issuer = 'https://login.example.org/';
const audience = 'llamaduct';

/** Of a token; undefined takes one away. */
type Claims = Readonly<Record<string, unknown>>;

interface Signer {
  readonly jwk: JWK;
  readonly spki: string;
  sign(claims?: Claims, header?: { readonly kid?: string }): Promise<string>;
}

async function signer(kid: string, alg = 'ES256'): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
    spki: await exportSPKI(publicKey),
    sign: async (claims = {}, header = {}) =>
      await new SignJWT(good(claims)).setProtectedHeader({ alg, kid, ...header }).sign(privateKey),
  };
}

function good(claims: Claims = {}): JWTPayload {
  return { iss: issuer, aud: audience, sub: 'ada', exp: seconds() + 600, ...claims };
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

interface Provider {
  keys: readonly JWK[];
  /** What is answered in place of keys. */
  instead: ((server: Server) => string | void) | undefined;
  fetches: number;
  readonly options: JwtOptions;
}

/** A provider that publishes `keys` on a real socket. */
async function provide(context: TestContext, ...keys: readonly JWK[]): Promise<Provider> {
  const server = createServer((_, response) => {
    provider.fetches += 1;
    const body = provider.instead === undefined ? JSON.stringify({ keys: provider.keys }) : provider.instead(server);
    if (typeof body === 'string') response.setHeader('content-type', 'application/json').end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const options: JwtOptions = {
    issuer,
    audience,
    jwks_url: `http://127.0.0.1:${port}/keys`,
    name_claim: 'sub',
    algorithms: ['RS256', 'ES256', 'PS256', 'EdDSA'],
  };
  const provider: Provider = { keys, instead: undefined, fetches: 0, options };
  return provider;
}

function clock(context: TestContext): (milliseconds: number) => void {
  mock.timers.enable({ apis: ['Date'], now: Date.now() });
  context.after(() => mock.timers.reset());
  return (milliseconds) => mock.timers.tick(milliseconds);
}

const down = { name: 'GatewayError', code: 'store_unavailable', status: 503, retryAfter: 5 };

for (const alg of ['RS256', 'ES256', 'PS256', 'EdDSA']) {
  test(`a token signed with ${alg} stands for its holder until it expires`, async (context) => {
    const key = await signer('1', alg);
    const { options } = await provide(context, key.jwk);
    const exp = seconds() + 600;
    const expected = { name: 'ada', expires: (exp + 30) * 1000 };
    assert.deepEqual(await new TokenVerifier(options).verify(await key.sign({ exp })), expected);
  });
}

const claims: readonly [what: string, claims: Claims][] = [
  ['of another issuer', { iss: 'https://evil.example.org/' }],
  ['of no issuer', { iss: undefined }],
  ['for another audience', { aud: 'another' }],
  ['for no audience', { aud: undefined }],
  ['that has expired', { exp: seconds() - 60 }],
  ['that never expires', { exp: undefined }],
  ['that is not valid yet', { nbf: seconds() + 300 }],
  ['without a name', { sub: undefined }],
  ['whose name is empty', { sub: '' }],
  ['whose name is blank', { sub: '  ' }],
  ['whose name breaks the line', { sub: 'ada\nroot' }],
  ['whose name turns the direction of text', { sub: 'ada\u{202e}' }],
  ['whose name is too long', { sub: 'a'.repeat(129) }],
];
const nobody = undefined;

test('refused is a token', async (context) => {
  const key = await signer('1');
  const { options } = await provide(context, key.jwk);
  const verifier = new TokenVerifier(options);
  for (const [what, given] of claims) {
    await context.test(what, async () => assert.equal(await verifier.verify(await key.sign(given)), nobody));
  }
  // The same verifier takes a good one, so it is the claims that are at fault.
  assert.equal((await verifier.verify(await key.sign({ sub: 'a'.repeat(128) })))?.name.length, 128);
  assert.equal((await verifier.verify(await key.sign({ exp: seconds() - 20 })))?.name, 'ada');
});

test('a token signed with a key of somebody else is refused', async (context) => {
  const { options } = await provide(context, (await signer('1')).jwk);
  assert.equal(await new TokenVerifier(options).verify(await (await signer('1')).sign()), nobody);
});

test('a token that is not signed is refused, and fetches nothing', async (context) => {
  const provider = await provide(context, (await signer('1')).jwk);
  const verifier = new TokenVerifier(provider.options);
  const [header, payload] = [{ alg: 'none', kid: '1' }, good()].map((part) => base64url(JSON.stringify(part)));
  for (const signature of ['', 'AAAA'])
    assert.equal(await verifier.verify(`${header}.${payload}.${signature}`), nobody);
  assert.equal(provider.fetches, 0);
});

test('a public key is not taken for a shared secret', async (context) => {
  const key = await signer('1', 'RS256');
  const provider = await provide(context, key.jwk);
  const verifier = new TokenVerifier(provider.options);
  for (const secret of [key.spki, JSON.stringify(key.jwk), String(key.jwk.n)]) {
    const forged = new SignJWT(good()).setProtectedHeader({ alg: 'HS256', kid: '1' });
    assert.equal(await verifier.verify(await forged.sign(Buffer.from(secret))), nobody);
  }
  assert.equal(provider.fetches, 0);
});

test('an algorithm that is not allowed is refused', async (context) => {
  const key = await signer('1', 'ES256');
  const { options } = await provide(context, key.jwk);
  assert.equal(await new TokenVerifier({ ...options, algorithms: ['RS256'] }).verify(await key.sign()), nobody);
});

test('what is no JWT of the issuer, or too long, fetches nothing', async (context) => {
  const key = await signer('1');
  const provider = await provide(context, key.jwk);
  const verifier = new TokenVerifier(provider.options);
  const giant = await key.sign({ padding: 'x'.repeat(100_000) });
  const foreign = await key.sign({ iss: 'https://evil.example.org/' });
  for (const token of ['', 'ld-secret', 'a.b.c', 'a.b', 'a.b.c.d', '..', `${'a'.repeat(40)}.!.c`, giant, foreign]) {
    assert.equal(await verifier.verify(token), nobody);
  }
  assert.equal(provider.fetches, 0);
});

test('the group is a claim, or the first of a list that is known', async (context) => {
  const key = await signer('1');
  const { options } = await provide(context, key.jwk);
  const verifier = new TokenVerifier(
    { ...options, group_claim: 'team', name_claim: 'email' },
    (name) => name === 'lab',
  );
  const groupOf = async (team: unknown): Promise<string | undefined> => {
    const verified = await verifier.verify(await key.sign({ email: 'ada@example.org', team }));
    assert.equal(verified?.name, 'ada@example.org');
    return verified.group;
  };
  assert.equal(await groupOf('lab'), 'lab');
  assert.equal(await groupOf(['staff', 7, 'lab']), 'lab');
  for (const none of [undefined, 7, {}, ['staff']]) assert.equal(await groupOf(none), undefined);
});

test('a name or a group is a claim of the token, not of every object', async (context) => {
  const key = await signer('1');
  const { options } = await provide(context, key.jwk);
  const token = await key.sign();
  assert.equal(await new TokenVerifier({ ...options, name_claim: 'constructor' }).verify(token), nobody);
});

test('a burst fetches the keys once', async (context) => {
  const key = await signer('1');
  const provider = await provide(context, key.jwk);
  const verifier = new TokenVerifier(provider.options);
  const token = await key.sign();
  const answers = await Promise.all(Array.from({ length: 50 }, async () => await verifier.verify(token)));
  assert.deepEqual(new Set(answers.map((answer) => answer?.name)), new Set(['ada']));
  assert.equal(new Set(answers).size, 1, 'and checks the signature once');
  assert.equal(await verifier.verify(token), answers[0]);
  assert.equal(provider.fetches, 1);
});

test('a token is remembered for a minute, and never beyond its expiry', async (context) => {
  const pass = clock(context);
  const key = await signer('1');
  const { options } = await provide(context, key.jwk);
  const verifier = new TokenVerifier(options);
  const token = await key.sign();
  const first = await verifier.verify(token);
  pass(59_000);
  assert.equal(await verifier.verify(token), first);
  pass(2000);
  const second = await verifier.verify(token);
  assert.deepEqual(second, first);
  assert.notEqual(second, first);

  const short = await key.sign({ exp: seconds() + 5 });
  assert.equal((await verifier.verify(short))?.name, 'ada');
  pass(36_000);
  assert.equal(await verifier.verify(short), nobody);
});

test('a new key of the provider is fetched once, and made-up ones do not fetch again and again', async (context) => {
  const pass = clock(context);
  const [old, renewed, forged] = [await signer('1'), await signer('2'), await signer('3')];
  const provider = await provide(context, old.jwk);
  const verifier = new TokenVerifier(provider.options);
  assert.equal((await verifier.verify(await old.sign()))?.name, 'ada');
  pass(31_000);
  provider.keys = [renewed.jwk];
  assert.equal((await verifier.verify(await renewed.sign()))?.name, 'ada');
  assert.equal(provider.fetches, 2);
  assert.equal(await verifier.verify(await old.sign({ sub: 'bob' })), nobody);
  for (const kid of ['a', 'b', 'c']) assert.equal(await verifier.verify(await forged.sign({}, { kid })), nobody);
  assert.equal(provider.fetches, 2);
});

test('keys are fetched again after ten minutes, and last an hour while the provider is away', async (context) => {
  const pass = clock(context);
  const [old, renewed] = [await signer('1'), await signer('2')];
  const provider = await provide(context, old.jwk);
  const verifier = new TokenVerifier(provider.options);
  const lasting = async (sub: string): Promise<string> => await old.sign({ sub, exp: seconds() + 86_400 });
  assert.equal((await verifier.verify(await lasting('a')))?.name, 'a');
  provider.instead = (): string => 'no keys';
  pass(50 * 60_000);
  assert.equal((await verifier.verify(await lasting('b')))?.name, 'b');
  assert.equal(provider.fetches, 2);
  pass(11 * 60_000);
  await assert.rejects(verifier.verify(await lasting('c')), down);
  provider.instead = undefined;
  provider.keys = [renewed.jwk];
  pass(6000);
  assert.equal(await verifier.verify(await lasting('d')), nobody, 'its key was withdrawn');
  assert.equal((await verifier.verify(await renewed.sign()))?.name, 'ada');
});

const failures: readonly [what: string, instead: Provider['instead']][] = [
  ['breaks off', (server): void => server.closeAllConnections()],
  ['answers with something else', (): string => '<html>'],
  ['answers with no keys', (): string => '{"keys":7}'],
  ['answers without end', (): string => `{"keys":[],"x":"${'x'.repeat(2 ** 20)}"}`],
];

for (const [what, instead] of failures) {
  test(`a provider that ${what} is a 503, is left alone for 5 s, and then asked again`, async (context) => {
    const pass = clock(context);
    const key = await signer('1');
    const provider = await provide(context, key.jwk);
    const verifier = new TokenVerifier(provider.options);
    provider.instead = instead;
    for (const sub of ['a', 'b', 'c']) await assert.rejects(verifier.verify(await key.sign({ sub })), down);
    assert.equal(provider.fetches, 1);
    assert.equal(await verifier.verify('ld-secret'), nobody, 'a plain key needs no provider');
    provider.instead = undefined;
    pass(4000);
    await assert.rejects(verifier.verify(await key.sign()), down);
    pass(1000);
    assert.equal((await verifier.verify(await key.sign()))?.name, 'ada');
    assert.equal(provider.fetches, 2);
  });
}

test('a provider that never answers holds a request for 3 s, and the next ones not at all', async (context) => {
  const key = await signer('1');
  const provider = await provide(context, key.jwk);
  provider.instead = (): undefined => undefined;
  const verifier = new TokenVerifier(provider.options);
  const start = performance.now();
  await assert.rejects(verifier.verify(await key.sign()), down);
  const held = performance.now() - start;
  assert.ok(held > 2500 && held < 6000, `held for ${held} ms`);
  await assert.rejects(verifier.verify(await key.sign({ sub: 'bob' })), down);
  assert.ok(performance.now() - start < held + 1000);
});

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
