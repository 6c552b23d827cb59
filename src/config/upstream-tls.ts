import { readCertificates, readKeyPair } from './pem.ts';
import type { UpstreamFileConfig } from './schema/upstreams.ts';
import type { UpstreamTls } from './schema.ts';

/**
 * Reads the certificates of an upstream.
 *
 * @param setting the upstream in error messages, for example `upstreams[0]`
 * @returns undefined if the upstream has no settings for TLS
 * @throws {ConfigError} when a file cannot be read or used
 */
export async function readUpstreamTls(
  { ca, cert, key, insecure_skip_verify: unverified }: UpstreamFileConfig,
  setting: string,
): Promise<UpstreamTls | undefined> {
  if (ca === undefined && cert === undefined && !unverified) return undefined;
  return {
    ...(ca !== undefined && { ca: await readCertificates(ca, `${setting}.ca`) }),
    ...(cert !== undefined && key !== undefined && (await readKeyPair({ cert, key }, setting))),
    ...(unverified && { rejectUnauthorized: false as const }),
  };
}
