import type { Exchange } from '../exchange/exchange.ts';
import type { LimitSubject } from '../limits/subject.ts';
import { type Key, anonymous, mayUse } from '../policy/keys.ts';
import type { Upstream } from '../pool/upstream.ts';
import type { Services } from '../services.ts';
import { version } from '../version.ts';
import { Cached } from './cached.ts';
import type { LastHourState } from './last-hour.ts';
import { concurrencyState, limitState } from './limits.ts';
import type { ErrorState } from './recent-errors.ts';
import { type RequestState, requestStates } from './requests.ts';
import { limitSubjects } from './subjects.ts';
import { readServer } from './server-reads.ts';
import { type LoadedState, type ServerState, loadedStates, serverState } from './servers.ts';

/** The state of the service as one key may see it. */
export interface Board {
  readonly object: 'status';
  readonly version: string;
  /** `all` for a key with the admin scope, `own` for any other. */
  readonly scope: 'all' | 'own';
  /** Name of the key that asks. */
  readonly key: string;
  readonly requests: readonly RequestState[];
  /** Number of requests, also of those beyond the first thousand. */
  readonly requests_total: number;
  /** Requests of all keys. */
  readonly load: { readonly running: number; readonly waiting: number };
  /** Null for a key without the admin scope. */
  readonly servers: readonly ServerState[] | null;
  /** Models in memory that the key may use, each once. */
  readonly loaded_models: readonly LoadedState[];
  readonly limits: readonly ReturnType<typeof limitState>[];
  readonly errors: readonly ErrorState[];
  readonly last_hour: LastHourState;
}

type BoardServices = Pick<Services, 'exchanges' | 'pool' | 'limiter' | 'history' | 'gatekeeper'>;

/**
 * Makes boards. Servers, and the limits of all keys together, are read at most every two seconds. A key's own limits are read for
 * each board.
 */
export class StatusBoard {
  readonly #services: BoardServices;
  /** The limits of all keys and groups. */
  readonly #limits: Cached<Board['limits']>;

  constructor(services: BoardServices) {
    this.#services = services;
    this.#limits = new Cached(async () => await this.#readLimits(limitSubjects(services.gatekeeper.access.ring)));
  }

  /**
   * Makes the board of a key. It waits two seconds at most for a server that does not answer, and never rejects.
   *
   * @param owner that of the request, see `Exchange.admitted`: all requests without a key have the same key, not the same owner
   */
  async read(key: Key, owner: string | undefined): Promise<Board> {
    const { exchanges, pool, history } = this.#services;
    const isAdmin = key.scopes.includes('admin');
    const own = isAdmin ? undefined : key.name;
    const { upstreams } = pool;
    const [limits, reads] = await Promise.all([
      isAdmin ? this.#limits.get() : this.#readLimits(key.limitSubjects),
      Promise.all(upstreams.map(readServer)),
    ]);
    const shows = (name: string | undefined, ownerOfIt: string | undefined): boolean =>
      isAdmin || (name === key.name && (key !== anonymous || ownerOfIt === owner));
    const { requests, total } = requestStates(exchanges.all, (exchange) =>
      shows(exchange.key?.name, exchange.admitted?.owner),
    );
    const errors = history.errors.all.filter((error) => shows(error.state.key, error.owner)).map(({ state }) => state);
    return {
      object: 'status',
      version,
      scope: isAdmin ? 'all' : 'own',
      key: key.name,
      requests: withoutIds(key, requests),
      requests_total: total,
      load: loadOf(exchanges.all),
      servers: isAdmin ? upstreams.map((upstream, index) => serverState(upstream, reads[index]?.version)) : null,
      loaded_models: loadedFor(key, upstreams),
      limits,
      errors: withoutIds(key, errors),
      last_hour: history.lastHour.state(own),
    };
  }

  async #readLimits(subjects: readonly LimitSubject[]): Promise<Board['limits']> {
    const { limiter } = this.#services;
    const states = await limiter.state(subjects);
    return [
      ...states.map(limitState),
      ...subjects.flatMap((subject) => concurrencyState(subject, limiter.running(subject))),
    ];
  }
}

/** Removes the ids for whoever has no key: with the id of a response, anybody without a key can read it. */
function withoutIds<State extends { readonly id: string | null }>(
  key: Key,
  states: readonly State[],
): readonly State[] {
  return key === anonymous ? states.map((state) => ({ ...state, id: null })) : states;
}

function loadOf(exchanges: Iterable<Exchange>): Board['load'] {
  let [running, waiting] = [0, 0];
  for (const { runsModel, isQueued, isRunning } of exchanges) {
    if (!runsModel) continue;
    if (isQueued) waiting += 1;
    else if (isRunning) running += 1;
  }
  return { running, waiting };
}

function loadedFor(key: Key, upstreams: readonly Upstream[]): LoadedState[] {
  const models = new Map<string, LoadedState>();
  for (const model of upstreams.flatMap((upstream) => loadedStates(upstream) ?? [])) {
    if (mayUse(key, model.name) && !models.has(model.name)) models.set(model.name, model);
  }
  return [...models.values()];
}
