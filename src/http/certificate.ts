import type { Config } from '../config/schema.ts';
import { ConfigError } from '../config/error.ts';
import { readKeyPair } from '../config/pem.ts';
import { watchFile } from '../config/watch/watch-file.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Certificate } from './tls-server.ts';

type TlsSettings = NonNullable<Config['tls']>;

/** @throws {ConfigError} when a file cannot be read, or when they do not belong together */
export async function readCertificate({ cert, key, min_version: minVersion }: TlsSettings): Promise<Certificate> {
  return { ...(await readKeyPair({ cert, key }, 'tls')), minVersion };
}

/** Follows the files of a certificate. */
export interface CertificateWatch {
  /** Reads the files now. Never rejects. */
  reload(): Promise<void>;
  stop(): void;
}

/**
 * Reads the certificate again when one of its files changes. One that cannot be used is logged, and the current one stays in
 * effect: while a certificate is renewed, its files do not belong together for a moment.
 *
 * @param use gets each new certificate; connections that are already open keep the one that they began with
 */
export async function watchCertificate(
  settings: TlsSettings,
  use: (certificate: Certificate) => void,
  logger: Logger,
): Promise<CertificateWatch> {
  const reload = async (): Promise<void> => {
    try {
      use(await readCertificate(settings));
      logger.info('TLS certificate reloaded');
    } catch (error) {
      const fault = error instanceof ConfigError ? error.message : (error as NodeJS.ErrnoException).code;
      logger.error({ fault }, 'TLS certificate not reloaded; the previous one stays in use');
    }
  };
  const stops = await Promise.all([settings.cert, settings.key].map((file) => watchFile(file, () => void reload())));
  return {
    reload,
    stop() {
      for (const stop of stops) stop();
    },
  };
}
