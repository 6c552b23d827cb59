import type { GatewayError } from '../errors.ts';
import { LogLimit } from '../exchange/log-limit.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Logs refusals before there is a request: connections over a limit, and bytes that are not a request. */
export class ConnectionLog {
  readonly #logger: Logger;
  readonly #metrics: Pick<Metrics, 'connectionsDropped'>;
  readonly #limit: LogLimit;

  constructor(logger: Logger, metrics: Pick<Metrics, 'connectionsDropped'>) {
    this.#logger = logger;
    this.#metrics = metrics;
    this.#limit = new LogLimit((omitted) => {
      logger.info(omitted, `${omitted.requests} more refused connections in the last ${omitted.seconds} s`);
    });
  }

  readonly malformed = (client: string | undefined, { code, status }: GatewayError): void => {
    if (!this.#limit.admit({ client, key: undefined }, code)) return;
    this.#logger.info({ status, error: code, client }, 'malformed request refused');
  };

  readonly dropped = (client: string | undefined): void => {
    this.#metrics.connectionsDropped.inc();
    if (!this.#limit.admit({ client, key: undefined }, 'too_many_connections')) return;
    this.#logger.info({ error: 'too_many_connections', client }, 'connection closed, because too many are open');
  };

  /** Reports what was omitted so far. */
  flush(): void {
    this.#limit.flush();
  }
}
