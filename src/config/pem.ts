import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ConfigError } from './error.ts';

/** A certificate and its private key: paths of PEM files, or the texts in them. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a certificate with its private key.
 *
 * @param files paths
 * @param setting the setting that contains both, for error messages
 * @returns texts
 * @throws {ConfigError} when a file cannot be read, or when they do not belong together
 */
export async function readKeyPair(files: KeyPair, setting: string): Promise<KeyPair> {
  const cert = await readCertificates(files.cert, `${setting}.cert`);
  // The message does not repeat the path: somebody may have written a secret in its place.
  const key = await readPem(files.key, `${setting}.key`, 'the file');
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${setting}.key: not the private key of the certificate, or with a passphrase (${code})`);
  }
  return { cert, key };
}

/** @throws {ConfigError} when the file cannot be read, or when one of its certificates is damaged */
export async function readCertificates(file: string, setting: string): Promise<string> {
  const text = await readPem(file, setting, file);
  const blocks = text.match(/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----[^]*?-----END \1?CERTIFICATE-----/g) ?? [];
  // Node ignores authorities that it cannot read.
  if (blocks.length === 0 || !blocks.every(isCertificate)) {
    throw new ConfigError(`${setting}: ${file} contains no certificate in PEM, or a damaged one`);
  }
  return text;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

async function readPem(file: string, setting: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${setting}: cannot read ${name} (${(error as NodeJS.ErrnoException).code})`);
  }
}
