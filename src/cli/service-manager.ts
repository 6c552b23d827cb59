import { execFile } from 'node:child_process';
import type { ServiceManagerVariables } from '../config/env.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Milliseconds until a message is given up. */
const deadline = 5_000;

/**
 * Tells systemd about the state of the service (`Type=notify`), and that it is alive (`WatchdogSec`). Its own program sends the
 * messages, because Node.js has no datagram sockets of Unix. Without systemd, all of this does nothing.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 */
export class ServiceManager {
  readonly #variables: ServiceManagerVariables;
  readonly #logger: Logger;
  #hasFailed = false;

  constructor(variables: ServiceManagerVariables, logger: Logger) {
    this.#variables = variables;
    this.#logger = logger;
  }

  /** Requests are served from now on. The watchdog gets a message twice in each of its intervals, from the event loop. */
  ready(): void {
    this.#notify('READY=1');
    const { watchdog } = this.#variables;
    if (watchdog !== undefined) setInterval(() => this.#notify('WATCHDOG=1'), watchdog / 2).unref();
  }

  stopping(): void {
    this.#notify('STOPPING=1');
  }

  #notify(message: string): void {
    if (!this.#variables.notifies) return;
    execFile('systemd-notify', [message], { timeout: deadline }, (error) => {
      if (error === null || this.#hasFailed) return;
      this.#hasFailed = true;
      this.#logger.error({ cause: error.code }, 'systemd cannot be notified: systemd-notify failed');
    });
  }
}
