import assert from 'node:assert/strict';
import { type TestContext, mock, test } from 'node:test';
import { type JWK, type JWTPayload, SignJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { type JwtOptions, TokenVerifier } from '../../src/policy/tokens.ts';
import { json, resetting, silent } from '../helpers/answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';

const issuer = 'https://login.example.org/';
const audience = 'llamaduct';

/** Claims of a token; undefined removes a default claim. */
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
      await new SignJWT(validPayload(claims)).setProtectedHeader({ alg, kid, ...header }).sign(privateKey),
  };
}

function validPayload(claims: Claims = {}): JWTPayload {
  return { iss: issuer, aud: audience, sub: 'ada', exp: seconds() + 600, ...claims };
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

interface Provider {
  keys: readonly JWK[];
  /** Replaces the answer with the keys. */
  instead: Answer | undefined;
  /** Number of requests for its keys. */
  readonly fetches: number;
  readonly options: JwtOptions;
}

/** Answers with this text as JSON. */
function jsonText(text: string): Answer {
  return (res) => void res.setHeader('content-type', 'application/json').end(text);
}

/** A provider that publishes `keys` on a real socket. */
async function provide(context: TestContext, ...keys: readonly JWK[]): Promise<Provider> {
  const server = await fakeUpstream((res, request) => {
    return (provider.instead ?? json(200, { keys: provider.keys }))(res, request);
  });
  context.after(async () => await server[Symbol.asyncDispose]());
  const options: JwtOptions = {
    issuer,
    audience,
    jwks_url: `${server.url}/keys`,
    name_claim: 'sub',
    algorithms: ['RS256', 'ES256', 'PS256', 'EdDSA'],
  };
  const provider: Provider = {
    keys,
    instead: undefined,
    get fetches() {
      return server.requests.length;
    },
    options,
  };
  return provider;
}

function clock(context: TestContext): (milliseconds: number) => void {
  mock.timers.enable({ apis: ['Date'], now: Date.now() });
  context.after(() => mock.timers.reset());
  return (milliseconds) => mock.timers.tick(milliseconds);
}

const down = { name: 'GatewayError', code: 'store_unavailable', status: 503, retryAfter: 5 };

for (const alg of ['RS256', 'ES256', 'PS256', 'EdDSA']) {
  test(`accepts a token signed with ${alg}, with its user and expiry`, async (context) => {
    const key = await signer('1', alg);
    const { options } = await provide(context, key.jwk);
    const exp = seconds() + 600;
    const expected = { name: 'ada', expires: (exp + 30) * 1000 };
    assert.deepEqual(await new TokenVerifier(options).verify(await key.sign({ exp })), expected);
  });
}

const claims: readonly [name: string, claims: Claims][] = [
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

test('refuses a token', async (context) => {
  const key = await signer('1');
  const { options } = await provide(context, key.jwk);
  const verifier = new TokenVerifier(options);
  for (const [name, invalid] of claims) {
    await context.test(name, async () => assert.equal(await verifier.verify(await key.sign(invalid)), nobody));
  }
  // The same verifier accepts other tokens, so these were refused for their claims.
  assert.equal((await verifier.verify(await key.sign({ sub: 'a'.repeat(128) })))?.name.length, 128);
  assert.equal((await verifier.verify(await key.sign({ exp: seconds() - 20 })))?.name, 'ada');
});

test('refuses a token signed with an unknown key', async (context) => {
  const { options } = await provide(context, (await signer('1')).jwk);
  assert.equal(await new TokenVerifier(options).verify(await (await signer('1')).sign()), nobody);
});

test('refuses an unsigned token without fetching keys', async (context) => {
  const provider = await provide(context, (await signer('1')).jwk);
  const verifier = new TokenVerifier(provider.options);
  const [header, payload] = [{ alg: 'none', kid: '1' }, validPayload()].map((part) => base64url(JSON.stringify(part)));
  for (const signature of ['', 'AAAA'])
    assert.equal(await verifier.verify(`${header}.${payload}.${signature}`), nobody);
  assert.equal(provider.fetches, 0);
});

test('does not use a public key as a shared secret', async (context) => {
  const key = await signer('1', 'RS256');
  const provider = await provide(context, key.jwk);
  const verifier = new TokenVerifier(provider.options);
  for (const secret of [key.spki, JSON.stringify(key.jwk), String(key.jwk.n)]) {
    const forged = new SignJWT(validPayload()).setProtectedHeader({ alg: 'HS256', kid: '1' });
    assert.equal(await verifier.verify(await forged.sign(Buffer.from(secret))), nobody);
  }
  assert.equal(provider.fetches, 0);
});

test('refuses an algorithm that is not allowed', async (context) => {
  const key = await signer('1', 'ES256');
  const { options } = await provide(context, key.jwk);
  assert.equal(await new TokenVerifier({ ...options, algorithms: ['RS256'] }).verify(await key.sign()), nobody);
});

test('refuses other text, other issuers and too long tokens without fetching keys', async (context) => {
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

test('reads the group from a claim, or the first configured group of a list', async (context) => {
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

test('does not read a name from Object.prototype', async (context) => {
  const key = await signer('1');
  const { options } = await provide(context, key.jwk);
  const token = await key.sign();
  assert.equal(await new TokenVerifier({ ...options, name_claim: 'constructor' }).verify(token), nobody);
});

test('fetches the keys once for a burst of requests', async (context) => {
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

test('caches a token for a minute, but not beyond its expiry', async (context) => {
  const advance = clock(context);
  const key = await signer('1');
  const { options } = await provide(context, key.jwk);
  const verifier = new TokenVerifier(options);
  const token = await key.sign();
  const first = await verifier.verify(token);
  advance(59_000);
  assert.equal(await verifier.verify(token), first);
  advance(2000);
  const second = await verifier.verify(token);
  assert.deepEqual(second, first);
  assert.notEqual(second, first);

  const short = await key.sign({ exp: seconds() + 5 });
  assert.equal((await verifier.verify(short))?.name, 'ada');
  advance(36_000);
  assert.equal(await verifier.verify(short), nobody);
});

test('fetches a new key of the provider once, and does not fetch for every invented key id', async (context) => {
  const advance = clock(context);
  const [old, renewed, forged] = [await signer('1'), await signer('2'), await signer('3')];
  const provider = await provide(context, old.jwk);
  const verifier = new TokenVerifier(provider.options);
  assert.equal((await verifier.verify(await old.sign()))?.name, 'ada');
  advance(31_000);
  provider.keys = [renewed.jwk];
  assert.equal((await verifier.verify(await renewed.sign()))?.name, 'ada');
  assert.equal(provider.fetches, 2);
  assert.equal(await verifier.verify(await old.sign({ sub: 'bob' })), nobody);
  for (const kid of ['a', 'b', 'c']) assert.equal(await verifier.verify(await forged.sign({}, { kid })), nobody);
  assert.equal(provider.fetches, 2);
});

test('fetches the keys again after ten minutes, and uses old ones for an hour while the provider is down', async (context) => {
  const advance = clock(context);
  const [old, renewed] = [await signer('1'), await signer('2')];
  const provider = await provide(context, old.jwk);
  const verifier = new TokenVerifier(provider.options);
  const lasting = async (sub: string): Promise<string> => await old.sign({ sub, exp: seconds() + 86_400 });
  assert.equal((await verifier.verify(await lasting('a')))?.name, 'a');
  provider.instead = jsonText('no keys');
  advance(50 * 60_000);
  assert.equal((await verifier.verify(await lasting('b')))?.name, 'b');
  assert.equal(provider.fetches, 2);
  advance(11 * 60_000);
  await assert.rejects(verifier.verify(await lasting('c')), down);
  provider.instead = undefined;
  provider.keys = [renewed.jwk];
  advance(6000);
  assert.equal(await verifier.verify(await lasting('d')), nobody, 'its key was withdrawn');
  assert.equal((await verifier.verify(await renewed.sign()))?.name, 'ada');
});

const failures: readonly [name: string, instead: Provider['instead']][] = [
  ['closes the connection', resetting],
  ['answers with HTML', jsonText('<html>')],
  ['answers without keys', jsonText('{"keys":7}')],
  ['answers with too much', jsonText(`{"keys":[],"x":"${'x'.repeat(2 ** 20)}"}`)],
];

for (const [name, instead] of failures) {
  test(`answers 503 for 5 s without another fetch when the provider ${name}`, async (context) => {
    const advance = clock(context);
    const key = await signer('1');
    const provider = await provide(context, key.jwk);
    const verifier = new TokenVerifier(provider.options);
    provider.instead = instead;
    for (const sub of ['a', 'b', 'c']) await assert.rejects(verifier.verify(await key.sign({ sub })), down);
    assert.equal(provider.fetches, 1);
    assert.equal(await verifier.verify('ld-secret'), nobody, 'a plain key needs no provider');
    provider.instead = undefined;
    advance(4000);
    await assert.rejects(verifier.verify(await key.sign()), down);
    advance(1000);
    assert.equal((await verifier.verify(await key.sign()))?.name, 'ada');
    assert.equal(provider.fetches, 2);
  });
}

test('answers 503 after 3 s when the provider does not answer, and at once for later requests', async (context) => {
  const key = await signer('1');
  const provider = await provide(context, key.jwk);
  provider.instead = silent;
  const verifier = new TokenVerifier(provider.options);
  const start = performance.now();
  await assert.rejects(verifier.verify(await key.sign()), down);
  const held = performance.now() - start;
  assert.ok(held > 2500 && held < 6000, `held for ${held} ms`);
  await assert.rejects(verifier.verify(await key.sign({ sub: 'bob' })), down);
  assert.ok(performance.now() - start < held + 1000);
});

test('forged tokens that wait for a silent provider are bounded, and do not delay a token whose key is known', async (context) => {
  const advance = clock(context);
  const [key, forged] = [await signer('1'), await signer('2')];
  const provider = await provide(context, key.jwk);
  const verifier = new TokenVerifier(provider.options, () => true, 10);
  const lasting = async (sub: string): Promise<string> => await key.sign({ sub, exp: seconds() + 86_400 });
  assert.equal((await verifier.verify(await lasting('a')))?.name, 'a');
  provider.instead = silent;
  advance(11 * 60_000);
  // One token sent five times, because each of its requests waits.
  const token = await forged.sign();
  const waiting = [];
  for (let count = 0; count < 5; count += 1) {
    waiting.push(assert.rejects(verifier.verify(token), { code: 'store_unavailable' }));
  }
  const tooMany = { name: 'GatewayError', code: 'server_overloaded', status: 503, retryAfter: 2 };
  for (let count = 0; count < 50; count += 1) {
    await assert.rejects(verifier.verify(await forged.sign({ sub: `forged-${count}` })), tooMany);
  }
  const known = verifier.verify(await lasting('b')).then((verified) => verified?.name);
  assert.equal(await Promise.race([known, Promise.all(waiting).then(() => 'the forged ones were refused first')]), 'b');
  await Promise.all(waiting);
});

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
