import {
  type FlattenedJWSInput,
  type JWKSCacheInput,
  type JWTHeaderParameters,
  type RemoteJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  jwksCache,
} from 'jose';
import { GatewayError } from '../errors.ts';

const deadline = 3000;
/** A kid that is not known is looked for no sooner than this after the last time: anybody can make one up. */
const unknownKidEvery = 30_000;
const refreshAfter = 10 * 60_000;
/** While the provider is away the keys it last had are good for this long. */
const staleAfter = 60 * 60_000;
const retryAfter = 5;
const maxBytes = 1024 * 1024;

/** The public keys of an identity provider, fetched when they are needed. @see https://www.rfc-editor.org/rfc/rfc7517 */
export class ProviderKeys {
  readonly #keys: RemoteJWKSet;
  /** Told by jose: `uat` is when the keys were last had. */
  readonly #last: Partial<Exclude<JWKSCacheInput, Record<string, never>>> = {};
  #failedAt = -Infinity;

  constructor(url: URL) {
    this.#keys = createRemoteJWKSet(url, {
      timeoutDuration: deadline,
      cooldownDuration: unknownKidEvery,
      cacheMaxAge: staleAfter,
      [jwksCache]: this.#last as JWKSCacheInput,
      [customFetch]: async (address, options) => await this.#fetch(address, options),
    });
  }

  /**
   * Finds the key that a token names.
   * @throws {JOSEError} where the provider has no such key
   * @throws {GatewayError} 503 where the provider does not answer, or not with keys
   */
  readonly find = async (header: JWTHeaderParameters, token: FlattenedJWSInput): ReturnType<RemoteJWKSet> => {
    if (this.#keys.fresh && Date.now() - (this.#last.uat ?? 0) > refreshAfter) {
      await this.#keys.reload().catch((error: unknown) => this.#failed(error));
    }
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (isOfToken(error)) throw error;
      throw this.#failed(error);
    }
  };

  /** After a failure the provider is left alone for some seconds, and requests do not wait for it. */
  async #fetch(address: string, options: RequestInit): Promise<Response> {
    if (Date.now() - this.#failedAt < retryAfter * 1000) throw unavailable();
    const response = await fetch(address, options);
    return new Response(await readBounded(response), { status: response.status });
  }

  #failed(error: unknown): GatewayError {
    if (error instanceof GatewayError) return error;
    this.#failedAt = Date.now();
    return unavailable(error);
  }
}

function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function unavailable(cause?: unknown): GatewayError {
  return new GatewayError('store_unavailable', 'The identity provider cannot be reached.', { retryAfter, cause });
}

async function readBounded({ body }: Response): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new Error('the key set is too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
