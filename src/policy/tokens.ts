import { createHash } from 'node:crypto';
import { type JWTPayload, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { FileConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { ProviderKeys } from './provider-keys.ts';

export type JwtOptions = NonNullable<FileConfig['jwt']>;

/** The user of a verified token. */
export interface VerifiedToken {
  readonly name: string;
  readonly group?: string;
  /** End of the token's validity, clock tolerance included, in milliseconds since the epoch. */
  readonly expires: number;
}

interface CachedToken {
  readonly token: VerifiedToken;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Seconds by which the clocks of a provider and of this machine may differ. */
const clockTolerance = 30;

/** Characters. Tokens with many groups have some thousand; Node accepts 16 KiB of headers in all. */
const maxTokenLength = 8192;

/** Milliseconds. */
const cacheTtl = 60_000;
const maxCachedTokens = 1000;

/** Verifies bearer tokens of one OpenID Connect provider. @see https://www.rfc-editor.org/rfc/rfc8725 */
export class TokenVerifier {
  readonly #options: JwtOptions;
  readonly #knowsGroup: (name: string) => boolean;
  readonly #keys: ProviderKeys;
  /**
   * By the SHA-256 of the token, oldest first. Refused tokens are not cached: anybody could fill the cache with them.
   */
  readonly #cache = new Map<string, CachedToken>();
  readonly #maxWaiting: number;
  /** Requests whose token is verified, and those of them that wait for the provider. */
  #waiting = 0;
  #waitingForProvider = 0;
  /** Running verifications by the SHA-256 of the token: a burst with one token costs one signature check. */
  readonly #verifying = new Map<string, Promise<VerifiedToken | undefined>>();

  /**
   * @param knowsGroup true for a configured group: when the group claim is a list, its first configured group counts
   * @param maxWaiting requests whose token may be verified at a time; half of them may wait for the provider
   */
  constructor(options: JwtOptions, knowsGroup: (name: string) => boolean = () => true, maxWaiting = 1024) {
    this.#options = options;
    this.#knowsGroup = knowsGroup;
    this.#maxWaiting = maxWaiting;
    this.#keys = new ProviderKeys(new URL(options.jwks_url));
  }

  /**
   * @param token any bearer token; one that does not look like a JWT of the issuer costs next to nothing
   * @returns the user; undefined when the token is no JWT of the issuer, is not valid, or does not name its user in 1
   *   to 128 printable characters
   * @throws {GatewayError} 503 when the provider's keys are needed and cannot be fetched
   */
  async verify(token: string): Promise<VerifiedToken | undefined> {
    if (!this.#isFromIssuer(token)) return undefined;
    const digest = createHash('sha256').update(token).digest('base64');
    const cached = this.#cache.get(digest);
    if (cached !== undefined) {
      if (cached.until > Date.now()) return cached.token;
      this.#cache.delete(digest);
    }
    return await this.#verifyBounded(token, digest);
  }

  /** Bounds the requests that wait, so that forged tokens, which anybody can make up, keep out neither keys nor known tokens. */
  async #verifyBounded(token: string, digest: string): Promise<VerifiedToken | undefined> {
    const asksProvider = !this.#keys.has(decodeProtectedHeader(token).kid);
    if (this.#waiting >= this.#maxWaiting || (asksProvider && this.#waitingForProvider >= this.#maxWaiting / 2)) {
      throw tooManyTokens();
    }
    this.#waiting += 1;
    if (asksProvider) this.#waitingForProvider += 1;
    try {
      return await this.#verifyOnce(token, digest);
    } finally {
      this.#waiting -= 1;
      if (asksProvider) this.#waitingForProvider -= 1;
    }
  }

  async #verifyOnce(token: string, digest: string): Promise<VerifiedToken | undefined> {
    const running = this.#verifying.get(digest);
    if (running !== undefined) return await running;
    const verifying = this.#checkSignature(token).finally(() => this.#verifying.delete(digest));
    this.#verifying.set(digest, verifying);
    const verified = await verifying;
    if (verified !== undefined) this.#addToCache(digest, verified);
    return verified;
  }

  /** Reads the issuer before anything is fetched: other issuers' tokens must not make us call the provider. */
  #isFromIssuer(token: string): boolean {
    if (token.length > maxTokenLength || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return false;
    try {
      // Throws for a header that cannot be read.
      decodeProtectedHeader(token);
      return decodeJwt(token).iss === this.#options.issuer;
    } catch {
      return false;
    }
  }

  async #checkSignature(token: string): Promise<VerifiedToken | undefined> {
    const { issuer, audience, algorithms } = this.#options;
    const required = { issuer, audience, algorithms, clockTolerance, requiredClaims: ['exp'] };
    try {
      const { payload } = await jwtVerify(token, this.#keys.find, required);
      return this.#readClaims(payload);
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  #readClaims(payload: JWTPayload): VerifiedToken | undefined {
    const { name_claim: nameClaim, group_claim: groupClaim } = this.#options;
    const name = claim(payload, nameClaim);
    if (typeof name !== 'string' || !isPrintable(name) || payload.exp === undefined) return undefined;
    const group = groupClaim === undefined ? undefined : this.#readGroup(claim(payload, groupClaim));
    return { name, ...(group !== undefined && { group }), expires: (payload.exp + clockTolerance) * 1000 };
  }

  #readGroup(value: unknown): string | undefined {
    if (typeof value === 'string') return value;
    if (!Array.isArray(value)) return undefined;
    return value.find((item): item is string => typeof item === 'string' && this.#knowsGroup(item));
  }

  #addToCache(digest: string, token: VerifiedToken): void {
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined && this.#cache.size >= maxCachedTokens) this.#cache.delete(oldest);
    this.#cache.set(digest, { token, until: Math.min(token.expires, Date.now() + cacheTtl) });
  }
}

function claim(payload: JWTPayload, name: string): unknown {
  return Object.hasOwn(payload, name) ? payload[name] : undefined;
}

/** Names appear in logs: they must not break a line or be invisible. */
function isPrintable(name: string): boolean {
  return name.length <= 128 && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(name) && name.trim() !== '';
}

function tooManyTokens(): GatewayError {
  return new GatewayError('server_overloaded', 'Too many tokens are being verified.', { retryAfter: 2 });
}
