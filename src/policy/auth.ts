import type { Scope } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { AuthFailureReason } from '../telemetry/metrics.ts';
import { type Key, type KeyRing, anonymous, mayUse } from './keys.ts';
import type { TokenVerifier } from './tokens.ts';

/** Who may come in. */
export interface Access {
  readonly ring: KeyRing;
  /** Whether a request without a valid key is let in as anonymous. */
  readonly open: boolean;
  /** Of an identity provider, where there is one. */
  readonly tokens: Pick<TokenVerifier, 'verify'> | undefined;
}

/** Decides who may come in; every refusal is counted by its reason. */
export class Gatekeeper {
  #access: Access;
  readonly #refused: (reason: AuthFailureReason) => void;

  constructor(access: Access, refused: (reason: AuthFailureReason) => void) {
    this.#access = access;
    this.#refused = refused;
  }

  get access(): Access {
    return this.#access;
  }

  /** Decides by this from now on. */
  use(access: Access): void {
    this.#access = access;
  }

  /**
   * @returns a promise only where a token has to be verified
   * @throws {GatewayError} 401 for a request without a valid key; 503 where a token cannot be verified now
   */
  identify(headers: Headers): Key | Promise<Key> {
    const { ring, open, tokens } = this.#access;
    const secrets = presentedSecrets(headers);
    const known = secrets.map((secret) => ring.find(secret)).filter((key) => key !== undefined);
    const valid = known.find(({ expires }) => expires > Date.now());
    if (valid !== undefined) return valid;
    const stranger = (): Key => (open ? anonymous : this.#refuseKey(secrets, known));
    return tokens === undefined ? stranger() : vouchedFor(secrets, tokens, ring).then((key) => key ?? stranger());
  }

  /** @param expired keys that were valid once */
  #refuseKey(secrets: readonly string[], expired: readonly Key[]): never {
    if (expired.length > 0)
      return this.#refuse('expired', new GatewayError('invalid_api_key', 'This key has expired.'));
    if (secrets.length > 0)
      return this.#refuse('unknown', new GatewayError('invalid_api_key', 'Incorrect API key provided.'));
    const message = 'No key was sent. Send it as "Authorization: Bearer KEY".';
    return this.#refuse('missing', new GatewayError('invalid_api_key', message));
  }

  /** @throws {GatewayError} 403 when the key lacks the scope */
  requireScope(key: Key, scope: Scope): void {
    if (!key.scopes.includes(scope)) {
      this.#refuse('scope', new GatewayError('insufficient_scope', `This needs a key with the ${scope} scope.`));
    }
  }

  /** @param names of one model: its own, or an alias. @throws {GatewayError} 403 when the key is limited to others */
  requireModel(key: Key, ...names: readonly string[]): void {
    if (!mayUse(key, ...names)) {
      this.#refuse(
        'model',
        new GatewayError('model_not_allowed', 'This key may not use this model.', { param: 'model' }),
      );
    }
  }

  #refuse(reason: AuthFailureReason, error: GatewayError): never {
    this.#refused(reason);
    throw error;
  }
}

/** A key for the holder of the first secret that is a token of the provider; undefined of none. */
async function vouchedFor(
  secrets: readonly string[],
  tokens: NonNullable<Access['tokens']>,
  ring: KeyRing,
): Promise<Key | undefined> {
  for (const secret of secrets) {
    const token = await tokens.verify(secret);
    if (token !== undefined) return ring.keyForToken(token.name, token.group, token.expires);
  }
  return undefined;
}

/**
 * The secrets a request carries: bearer token, password of Basic (all that a client can send which takes nothing but an
 * address, http://me:KEY@host), or `x-api-key`.
 */
function presentedSecrets(headers: Headers): string[] {
  const secrets: string[] = [];
  const [, scheme, credentials] = /^(\w+) +(\S+) *$/.exec(headers.get('authorization') ?? '') ?? [];
  if (scheme !== undefined && credentials !== undefined) {
    if (scheme.toLowerCase() === 'bearer') secrets.push(credentials);
    if (scheme.toLowerCase() === 'basic') {
      const pair = Buffer.from(credentials, 'base64').toString('utf8');
      secrets.push(pair.slice(pair.indexOf(':') + 1));
    }
  }
  const apiKey = headers.get('x-api-key');
  if (apiKey !== null) secrets.push(apiKey);
  return secrets.filter((secret) => secret !== '');
}
