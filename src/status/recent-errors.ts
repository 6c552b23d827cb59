import type { Ending } from '../exchange/ending.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { toSeconds } from './time.ts';

/** Number of errors that are kept. */
const maxErrors = 50;

/** A request that failed, without anything of its content or of the error's text. */
export interface ErrorState {
  /** Unix seconds. */
  readonly at: number;
  /** Null for whoever asks without a key. */
  readonly id: string | null;
  readonly key: string;
  readonly route: string;
  readonly model: string | null;
  readonly upstream: string | null;
  readonly status: number;
  readonly code: string;
}

/** An error with what decides who sees it. */
export interface RecentError {
  readonly state: ErrorState;
  /** See `Exchange.admitted`; undefined for a request that was not admitted. */
  readonly owner: string | undefined;
}

/** Keeps the last errors, the newest first. */
export class RecentErrors {
  #errors: readonly RecentError[] = [];

  get all(): readonly RecentError[] {
    return this.#errors;
  }

  /** Notes a request that failed. Clients that leave are no errors, and whoever has no key must not fill the list. */
  add(exchange: Exchange, { outcome, failure }: Ending): void {
    const { id, key, route, model, upstream, status } = exchange;
    if (outcome === 'ok' || outcome === 'client_closed' || key === undefined) return;
    const state: ErrorState = {
      at: toSeconds(Date.now()),
      id,
      key: key.name,
      route,
      model: model?.slice(0, 256) ?? null,
      upstream: upstream ?? null,
      status: failure?.status ?? status,
      code: failure?.code ?? `status_${status}`,
    };
    this.#errors = [{ state, owner: exchange.admitted?.owner }, ...this.#errors.slice(0, maxErrors - 1)];
  }
}
