import { createHash } from 'node:crypto';
import { type JWTPayload, decodeJwt, errors, jwtVerify } from 'jose';
import type { FileConfig } from '../config/schema.ts';
import { ProviderKeys } from './provider-keys.ts';

export type JwtOptions = NonNullable<FileConfig['jwt']>;

/** Somebody an identity provider vouches for. */
export interface VerifiedToken {
  readonly name: string;
  readonly group?: string;
  /** Until when the token is taken, in milliseconds since the epoch. */
  readonly expires: number;
}

interface Remembered {
  readonly token: VerifiedToken;
  readonly until: number;
}

/** Clocks of providers and of this machine differ, in seconds. */
const clockTolerance = 30;

/** Characters. Tokens with many groups have some thousand; Node takes 16 KiB of headers in all. */
const longest = 8192;

const rememberedFor = 60_000;
const rememberedAtMost = 1000;

/** Verifies bearer tokens of one OpenID Connect provider. @see https://www.rfc-editor.org/rfc/rfc8725 */
export class TokenVerifier {
  readonly #options: JwtOptions;
  readonly #knowsGroup: (name: string) => boolean;
  readonly #keys: ProviderKeys;
  /** By the SHA-256 of the token, the oldest first. What is refused is not remembered: anybody could fill it. */
  readonly #remembered = new Map<string, Remembered>();
  /** A burst with one token costs one check of its signature. */
  readonly #underWay = new Map<string, Promise<VerifiedToken | undefined>>();

  /** @param knowsGroup picks where the claim of the group is a list: the first of them that is known */
  constructor(options: JwtOptions, knowsGroup: (name: string) => boolean = () => true) {
    this.#options = options;
    this.#knowsGroup = knowsGroup;
    this.#keys = new ProviderKeys(new URL(options.jwks_url));
  }

  /**
   * @param token anything sent as a bearer token; what does not look like a JWT of the issuer costs next to nothing
   * @returns who it stands for; undefined for what is no JWT of the issuer, is not (or no longer) valid, or does not
   *   name its holder in 1 to 128 printable characters
   * @throws {GatewayError} 503 when the keys of the provider are needed and cannot be had
   */
  async verify(token: string): Promise<VerifiedToken | undefined> {
    if (!this.#isOurs(token)) return undefined;
    const digest = createHash('sha256').update(token).digest('base64');
    const remembered = this.#remembered.get(digest);
    if (remembered !== undefined) {
      if (remembered.until > Date.now()) return remembered.token;
      this.#remembered.delete(digest);
    }
    let checking = this.#underWay.get(digest);
    if (checking === undefined) {
      checking = this.#check(token).finally(() => this.#underWay.delete(digest));
      this.#underWay.set(digest, checking);
      const verified = await checking;
      if (verified !== undefined) this.#remember(digest, verified);
      return verified;
    }
    return await checking;
  }

  /** Reads the issuer before anything is fetched: tokens of others must not make us call ours. */
  #isOurs(token: string): boolean {
    if (token.length > longest || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return false;
    try {
      return decodeJwt(token).iss === this.#options.issuer;
    } catch {
      return false;
    }
  }

  async #check(token: string): Promise<VerifiedToken | undefined> {
    const { issuer, audience, algorithms } = this.#options;
    const required = { issuer, audience, algorithms, clockTolerance, requiredClaims: ['exp'] };
    try {
      const { payload } = await jwtVerify(token, this.#keys.find, required);
      return this.#holder(payload);
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  #holder(payload: JWTPayload): VerifiedToken | undefined {
    const { name_claim: nameClaim, group_claim: groupClaim } = this.#options;
    const name = claim(payload, nameClaim);
    if (typeof name !== 'string' || !isPrintable(name) || payload.exp === undefined) return undefined;
    const group = groupClaim === undefined ? undefined : this.#group(claim(payload, groupClaim));
    return { name, ...(group !== undefined && { group }), expires: (payload.exp + clockTolerance) * 1000 };
  }

  #group(value: unknown): string | undefined {
    if (typeof value === 'string') return value;
    if (!Array.isArray(value)) return undefined;
    return value.find((item): item is string => typeof item === 'string' && this.#knowsGroup(item));
  }

  #remember(digest: string, token: VerifiedToken): void {
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined && this.#remembered.size >= rememberedAtMost) this.#remembered.delete(oldest);
    this.#remembered.set(digest, { token, until: Math.min(token.expires, Date.now() + rememberedFor) });
  }
}

function claim(payload: JWTPayload, name: string): unknown {
  return Object.hasOwn(payload, name) ? payload[name] : undefined;
}

/** Names stand in logs: none may break a line, or hide. */
function isPrintable(name: string): boolean {
  return name.length <= 128 && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(name) && name.trim() !== '';
}
