import type { Ending } from '../exchange/ending.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { toSeconds } from './time.ts';

/** Number of errors that are kept. */
const maxErrors = 50;

/** A request that failed, without anything of its content or of the error's text. */
export interface ErrorState {
  /** Unix seconds. */
  readonly at: number;
  readonly id: string;
  readonly key: string;
  readonly route: string;
  readonly model: string | null;
  readonly upstream: string | null;
  readonly status: number;
  readonly code: string;
}

/** The errors of late, the last one first. */
export class RecentErrors {
  #errors: readonly ErrorState[] = [];

  get all(): readonly ErrorState[] {
    return this.#errors;
  }

  /** Notes a request that failed. Clients that leave are no errors, and whoever has no key must not fill the list. */
  add(exchange: Exchange, { outcome, failure }: Ending): void {
    const { id, key, route, model, upstream, status } = exchange;
    if (outcome === 'ok' || outcome === 'client_closed' || key === undefined) return;
    const error: ErrorState = {
      at: toSeconds(Date.now()),
      id,
      key: key.name,
      route,
      model: model?.slice(0, 256) ?? null,
      upstream: upstream ?? null,
      status: failure?.status ?? status,
      code: failure?.code ?? `status_${status}`,
    };
    this.#errors = [error, ...this.#errors.slice(0, maxErrors - 1)];
  }
}
