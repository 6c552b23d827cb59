import { createHash, randomBytes } from 'node:crypto';

/** Generates a secret: `ld-` and 256 random bits in base64url, which is safe in a header, a URL and a shell. */
export function newSecret(): string {
  return `ld-${randomBytes(32).toString('base64url')}`;
}

/**
 * Hashes a secret for the configuration file.
 *
 * A plain SHA-256 is enough because secrets are random: there is nothing to guess, and every request would pay for a slow
 * hash.
 * @returns `sha256:` and 64 hex digits
 */
export function hashSecret(secret: string): string {
  return `sha256:${createHash('sha256').update(secret).digest('hex')}`;
}
