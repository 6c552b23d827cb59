import type { Ending } from '../exchange/ending.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { LastHour } from './last-hour.ts';
import { RecentErrors } from './recent-errors.ts';

/** Keeps the recently ended requests that `/v1/status` shows. */
export class StatusHistory {
  readonly lastHour = new LastHour();
  readonly errors = new RecentErrors();

  /** Notes a request that has ended. @param model a bounded label */
  add(exchange: Exchange, ending: Ending, model: string): void {
    this.errors.add(exchange, ending);
    if (exchange.runsModel && exchange.key !== undefined) this.lastHour.add(exchange, ending, model);
  }
}
