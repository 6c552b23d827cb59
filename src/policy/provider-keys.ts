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
import { withTimeout } from '../with-timeout.ts';

/** Milliseconds for one fetch. */
const deadline = 3000;
/** Milliseconds between two fetches for an unknown key id: anybody can invent one. */
const unknownKidInterval = 30_000;
/** Milliseconds until the keys are fetched again. */
const refreshAfter = 10 * 60_000;
/** Milliseconds for which tokens wait for that. */
const maxRefreshWait = 500;
/** Milliseconds for which the last keys are used while the provider is down. */
const staleAfter = 60 * 60_000;
/** Seconds. */
const retryAfter = 5;
const maxBytes = 1024 * 1024;

/** The public keys (JWKS) of an identity provider, fetched on demand. @see https://www.rfc-editor.org/rfc/rfc7517 */
export class ProviderKeys {
  readonly #keys: RemoteJWKSet;
  /** Filled by jose; `uat` is the time of the last successful fetch. */
  readonly #cache: Partial<Exclude<JWKSCacheInput, Record<string, never>>> = {};
  #failedAt = -Infinity;

  constructor(url: URL) {
    this.#keys = createRemoteJWKSet(url, {
      timeoutDuration: deadline,
      cooldownDuration: unknownKidInterval,
      cacheMaxAge: staleAfter,
      [jwksCache]: this.#cache as JWKSCacheInput,
      [customFetch]: async (address, options) => await this.#fetch(address, options),
    });
  }

  /**
   * Finds the public key that a token names.
   *
   * @throws {JOSEError} when the provider has no such key
   * @throws {GatewayError} 503 when the provider does not respond, or not with keys
   */
  readonly find = async (header: JWTHeaderParameters, token: FlattenedJWSInput): ReturnType<RemoteJWKSet> => {
    if (this.#keys.fresh && Date.now() - (this.#cache.uat ?? 0) > refreshAfter) {
      // A provider that does not respond must not delay tokens whose key is known.
      await withTimeout(
        maxRefreshWait,
        this.#keys.reload().catch((error: unknown) => this.#failed(error)),
      );
    }
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (isTokenError(error)) throw error;
      throw this.#failed(error);
    }
  };

  /** @returns true when the provider need not be asked for a token that names this key. @param kid absent: any key may fit */
  has(kid: string | undefined): boolean {
    const { jwks } = this.#cache;
    return this.#keys.fresh && (kid === undefined || jwks?.keys.some((key) => key.kid === kid) === true);
  }

  /** For some seconds after a failure, does not contact the provider and rejects at once. */
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

/** True when the token is at fault, not the provider. */
function isTokenError(error: unknown): boolean {
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
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error('the key set is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
