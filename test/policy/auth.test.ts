import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { suite, test } from 'node:test';
import { Gatekeeper } from '../../src/policy/auth.ts';
import { KeyRing } from '../../src/policy/keys.ts';
import type { VerifiedToken } from '../../src/policy/tokens.ts';

const secret = 'a-key-of-alice';
const ring = new KeyRing([{ name: 'alice', hash: `sha256:${hash('sha256', secret)}`, scopes: ['inference'] }]);
const bearer = (credentials: string): Headers => new Headers({ authorization: `Bearer ${credentials}` });

suite('Gatekeeper', () => {
  test('identifies a configured key synchronously, without asking the provider', () => {
    const verify = (): never => assert.fail('the provider was asked');
    const gatekeeper = new Gatekeeper({ ring, open: false, tokens: { verify } }, () => undefined);
    const key = gatekeeper.identify(bearer(secret));
    assert.ok(!(key instanceof Promise));
    assert.equal(key.name, 'alice');
  });

  test('decides by the configuration at the arrival of a request, also if it changes while a token is verified', async () => {
    for (const open of [true, false]) {
      const verified = Promise.withResolvers<VerifiedToken | undefined>();
      const refused: string[] = [];
      const tokens = { verify: async () => await verified.promise };
      const gatekeeper = new Gatekeeper({ ring, open, tokens }, (reason) => refused.push(reason));
      const identified = gatekeeper.identify(bearer('no-key'));
      gatekeeper.use({ ring, open: !open, tokens });
      verified.resolve(undefined);
      if (open) assert.equal((await identified).name, 'anonymous');
      else await assert.rejects(async () => await identified, { status: 401, code: 'invalid_api_key' });
      assert.deepEqual(refused, open ? [] : ['unknown']);
    }
  });
});
