import { createHash, randomBytes } from 'node:crypto';

/** A new secret: `ld-` and 256 random bits in base64url, safe in a header, a URL and a shell. */
export function newSecret(): string {
  return `ld-${randomBytes(32).toString('base64url')}`;
}

/**
 * `sha256:` and 64 hex digits, as the configuration file holds it. A plain hash is enough because secrets are random:
 * there is nothing to guess, and a slow hash would be paid by every request.
 */
export function hashSecret(secret: string): string {
  return `sha256:${createHash('sha256').update(secret).digest('hex')}`;
}
