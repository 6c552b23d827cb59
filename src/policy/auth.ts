import type { Scope } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { AuthFailureReason } from '../telemetry/metrics.ts';
import { type Key, type KeyRing, anonymous, mayUse } from './keys.ts';
import type { TokenVerifier } from './tokens.ts';

/** The configuration that decides which requests are authenticated. */
export interface Access {
  readonly ring: KeyRing;
  /** True when a request without a valid key is served as `anonymous`. */
  readonly open: boolean;
  /** Verifies an identity provider's tokens; undefined without a provider. */
  readonly tokens: Pick<TokenVerifier, 'verify'> | undefined;
}

/** A request that was let in. */
interface Admitted {
  readonly key: Key;
  /** Its address; undefined when it is not known. */
  readonly client: string | undefined;
  /** The names of the model that it asks for; undefined when it has not named one yet. */
  readonly modelNames: readonly string[] | undefined;
  readonly runsModel: boolean;
}

/** Authenticates requests and checks what their keys may do. Counts every refusal by its reason. */
export class Gatekeeper {
  #access: Access;
  readonly #onRefused: (reason: AuthFailureReason) => void;

  constructor(access: Access, onRefused: (reason: AuthFailureReason) => void) {
    this.#access = access;
    this.#onRefused = onRefused;
  }

  get access(): Access {
    return this.#access;
  }

  /** Replaces the configuration for later requests. */
  use(access: Access): void {
    this.#access = access;
  }

  /**
   * Finds the key of a request.
   *
   * @param secretInPath the secret in the base path
   * @returns a promise only when a token has to be verified
   * @throws {GatewayError} 401 without a valid key; 503 when a token cannot be verified at the moment
   */
  identify(headers: Headers, secretInPath?: string): Key | Promise<Key> {
    const { ring, open, tokens } = this.#access;
    const secrets = presentedSecrets(headers);
    if (secretInPath !== undefined) secrets.push(secretInPath);
    let expired = false;
    for (const secret of secrets) {
      const key = ring.find(secret);
      if (key === undefined) continue;
      if (key.expires > Date.now()) return key;
      expired = true;
    }
    // Decided by the access at this time, also when the configuration changes while a token is verified.
    const withoutKey = (): Key => (open ? anonymous : this.#refuseKey(secrets, expired));
    return tokens === undefined ? withoutKey() : keyForTokens(secrets, tokens, ring).then((key) => key ?? withoutKey());
  }

  /**
   * Checks once more whether a request may be served, after the configuration has changed.
   *
   * @returns the key with the rights that it has now
   * @throws {GatewayError} 401 if its key is revoked or has expired, 403 if the key may not do this any more
   */
  recheck({ key, client, modelNames, runsModel }: Admitted): Key {
    const now = this.#current(key);
    if (now === undefined) return this.refuse('unknown', new GatewayError('invalid_api_key', 'This key was revoked.'));
    this.requireUnexpired(now);
    this.requireAddress(now, client);
    if (runsModel) this.requireScope(now, 'inference');
    if (modelNames !== undefined) this.requireModel(now, ...modelNames);
    return now;
  }

  /** @throws {GatewayError} 401 for a key that has expired since it was identified */
  requireUnexpired({ expires }: Key): void {
    if (expires > Date.now()) return;
    this.refuse('expired', new GatewayError('invalid_api_key', 'This key has expired.'));
  }

  /** @returns what a key may do now; undefined if it is none any more */
  #current(key: Key): Key | undefined {
    const { ring, open, tokens } = this.#access;
    if (key === anonymous) return open ? key : undefined;
    if (key.digest !== undefined) return ring.current(key);
    return tokens === undefined ? undefined : key;
  }

  /** @param expired true when one of the secrets belongs to an expired key */
  #refuseKey(secrets: readonly string[], expired: boolean): never {
    if (expired) return this.refuse('expired', new GatewayError('invalid_api_key', 'This key has expired.'));
    if (secrets.length > 0)
      return this.refuse('unknown', new GatewayError('invalid_api_key', 'Incorrect API key provided.'));
    const message = 'No key was sent. Send it as "Authorization: Bearer KEY".';
    return this.refuse('missing', new GatewayError('invalid_api_key', message));
  }

  /** @throws {GatewayError} 403 when the key lacks the scope */
  requireScope(key: Key, scope: Scope): void {
    if (!key.scopes.includes(scope)) {
      this.refuse('scope', new GatewayError('insufficient_scope', `This request needs a key with the ${scope} scope.`));
    }
  }

  /**
   * @param names the names of one model: its own and the alias that stands for it
   * @throws {GatewayError} 403 when the key may use the model by none of these names
   */
  requireModel(key: Key, ...names: readonly string[]): void {
    if (!mayUse(key, ...names)) {
      this.refuse(
        'model',
        new GatewayError('model_not_allowed', 'This key may not use this model.', { param: 'model' }),
      );
    }
  }

  /**
   * @param address undefined when it is not known
   * @throws {GatewayError} 403 when the key may not be used from the address
   */
  requireAddress(key: Key, address: string | undefined): void {
    if (key.mayUseFrom === undefined || (address !== undefined && key.mayUseFrom(address))) return;
    this.refuse('address', new GatewayError('address_not_allowed', 'This key may not be used from this address.'));
  }

  /** Counts a refusal. @throws {GatewayError} `error` */
  refuse(reason: AuthFailureReason, error: GatewayError): never {
    this.#onRefused(reason);
    throw error;
  }
}

/** @returns a key for the first secret that is a valid token of the provider; undefined when none is */
async function keyForTokens(
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
 * @returns the non-empty secrets of a request: the bearer token or the password of Basic, then `x-api-key`, Azure OpenAI's
 *   `api-key` and Google's `x-goog-api-key`. Basic serves clients that can be configured with nothing but an address,
 *   http://me:KEY@host.
 */
function presentedSecrets(headers: Headers): string[] {
  const secrets: string[] = [];
  const [, scheme, credentials] = /^(\w+) +(\S+) *$/.exec(headers.get('authorization') ?? '') ?? [];
  if (scheme !== undefined && credentials !== undefined) {
    if (scheme.toLowerCase() === 'bearer') secrets.push(credentials);
    if (scheme.toLowerCase() === 'basic') {
      const pair = Buffer.from(credentials, 'base64').toString('utf8');
      const password = pair.slice(pair.indexOf(':') + 1);
      if (password !== '') secrets.push(password);
    }
  }
  for (const name of ['x-api-key', 'api-key', 'x-goog-api-key']) {
    const apiKey = headers.get(name) ?? '';
    if (apiKey !== '') secrets.push(apiKey);
  }
  return secrets;
}
