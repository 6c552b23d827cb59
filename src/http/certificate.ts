import { isDeepStrictEqual } from 'node:util';
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

/**
 * Follows the files of a certificate. One that cannot be used is logged, and the current one stays in effect: while a
 * certificate is renewed, its files do not belong together for a moment.
 */
export class CertificateWatch {
  readonly #apply: (certificate: Certificate) => void;
  readonly #logger: Logger;
  #settings: TlsSettings | undefined;
  #stops: readonly (() => void)[] = [];

  /** @param apply gets each new certificate; connections that are already open keep the one that they began with */
  constructor(apply: (certificate: Certificate) => void, logger: Logger) {
    this.#apply = apply;
    this.#logger = logger;
  }

  /** Follows other files from now on, if they are others. The caller has read those that it starts with. */
  async use(settings: TlsSettings | undefined): Promise<void> {
    if (isDeepStrictEqual(settings, this.#settings)) return;
    const isFirst = this.#settings === undefined;
    this.stop();
    this.#settings = settings;
    if (settings === undefined) return;
    const files = [settings.cert, settings.key];
    this.#stops = await Promise.all(files.map((file) => watchFile(file, () => void this.reload())));
    if (!isFirst) await this.reload();
  }

  /** Reads the files now. Never rejects. */
  async reload(): Promise<void> {
    if (this.#settings === undefined) return;
    try {
      this.#apply(await readCertificate(this.#settings));
      this.#logger.info('TLS certificate reloaded');
    } catch (error) {
      const fault = error instanceof ConfigError ? error.message : (error as NodeJS.ErrnoException).code;
      this.#logger.error({ fault }, 'TLS certificate not reloaded; the previous one stays in use');
    }
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }
}
