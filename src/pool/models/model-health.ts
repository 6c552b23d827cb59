import { GatewayError } from '../../errors.ts';

/** Milliseconds until an ejected model is tried again: the first pause, which doubles with each failed trial, and the longest. */
const pause = { first: 1_000, longest: 30_000 };

/** A model of a server that was ejected, or is back. */
export interface ModelChange {
  /** The model's name as the server lists it, or `other`. */
  readonly model: string;
  readonly ejected: boolean;
  /** The last failure. */
  readonly error: GatewayError;
  /** Failures in a row, for an ejection. */
  readonly failures: number;
  /** Milliseconds since the ejection; 0 for an ejection. */
  readonly ejectedFor: number;
}

/**
 * `rests`: the server asked for fewer requests. An ejected model is `silent` or `fails`; `answers`, if the last request that was
 * sent all the same was answered.
 */
export type ModelState = 'works' | 'rests' | 'answers' | 'fails' | 'silent';

/** A model that fails or rests on a server. */
export interface TroubledModel {
  /** The model's name as the server lists it, or `other`. */
  readonly model: string;
  readonly state: Exclude<ModelState, 'works'>;
  /** Failures in a row. */
  readonly failures: number;
  /** Code of the last failure. */
  readonly code: string;
  /** Milliseconds until it is tried again. */
  readonly retryInMs: number;
}

interface ModelHealthOptions {
  /** Failures in a row after which a model is ejected. A success takes one back. */
  readonly failures: number;
  /** @returns the model's name as the server lists it, or `other`: so there are not more entries than models */
  readonly label: (model: string) => string;
  readonly onChange: (change: ModelChange) => void;
}

interface Entry {
  failures: number;
  error: GatewayError;
  ejected: boolean;
  /** On the clock of `performance.now()`, as all times here. */
  ejectedAt: number;
  /** Ejections and failed trials since the model last worked. */
  ejections: number;
  /** Only attempts that begin after it decide whether the model is back. */
  retryAt: number;
  /** The start of the trial under way; undefined if there is none. */
  trial: number | undefined;
  /** True if an answer came since the ejection, of a request that was sent although no trial was due. */
  answers: boolean;
  /** Until then the server asked for fewer requests. */
  restsUntil: number;
  /** True if the server refuses probes, so that only clients' requests can be trials. */
  refusesProbes: boolean;
}

/**
 * Remembers which models of one server fail. A server that answers at once with errors would otherwise attract the requests
 * of servers that work, and one that stays silent would hold them. It takes a real answer to bring a model back: a server
 * whose runner hangs still lists its models.
 *
 * As long as nothing fails there are no entries, and every method returns at once.
 */
export class ModelHealth {
  #options: ModelHealthOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ModelHealthOptions) {
    this.#options = options;
  }

  /** Replaces the number of failures. */
  use({ failures }: Pick<ModelHealthOptions, 'failures'>): void {
    this.#options = { ...this.#options, failures };
  }

  /** The ejected models, as the server lists them. */
  get ejected(): string[] {
    return [...this.#entries].filter(([, { ejected }]) => ejected).map(([model]) => model);
  }

  /** The models that are not sent requests as usual, with the code of their last failure. */
  get troubled(): TroubledModel[] {
    return [...this.#entries].flatMap(([model, { error, failures, retryAt, restsUntil }]) => {
      const state = this.stateOf(model);
      if (state === 'works') return [];
      const until = state === 'rests' ? restsUntil : retryAt;
      return [{ model, state, failures, code: error.code, retryInMs: Math.max(0, until - performance.now()) }];
    });
  }

  /** @returns the state of the model on the server */
  stateOf(model: string): ModelState {
    if (this.#entries.size === 0) return 'works';
    const entry = this.#entries.get(this.#options.label(model));
    if (entry === undefined) return 'works';
    if (!entry.ejected) return performance.now() < entry.restsUntil ? 'rests' : 'works';
    return entry.answers ? 'answers' : isSilence(entry.error) ? 'silent' : 'fails';
  }

  /** True if an ejected model may be tried now. There is one trial at a time. */
  isTrialDue(model: string): boolean {
    const entry = this.#ejected(model);
    return entry !== undefined && entry.trial === undefined && performance.now() >= entry.retryAt;
  }

  /** True if probes of an ejected model are refused, so that it takes a client's request to try it. */
  refusesProbes(model: string): boolean {
    return this.#ejected(model)?.refusesProbes === true;
  }

  /** @returns the error for a request that is not sent to an ejected model; undefined for one that is in use */
  refusal(model: string): GatewayError | undefined {
    const entry = this.#ejected(model);
    if (entry === undefined) return undefined;
    const left = Math.ceil((entry.retryAt - performance.now()) / 1000);
    const { code, message, status } = entry.error;
    return new GatewayError(code, message, { status, retryAfter: Math.max(1, left) });
  }

  /** Called when a request is sent. @returns when it began, for the other methods */
  begin(model: string): number {
    const now = performance.now();
    if (this.#entries.size === 0) return now;
    const entry = this.#ejected(model);
    if (entry !== undefined && now >= entry.retryAt) entry.trial ??= now;
    return now;
  }

  /** Called when some of an answer came. A model that was ejected is back, but is ejected again if this answer fails. */
  started(model: string, begun: number): void {
    if (this.#entries.size === 0) return;
    const entry = this.#ejected(model);
    if (entry === undefined) return;
    if (entry.trial === begun) entry.trial = undefined;
    if (begun < entry.retryAt) {
      entry.answers = begun >= entry.ejectedAt;
      return;
    }
    entry.ejected = false;
    entry.answers = false;
    entry.failures = this.#options.failures - 1;
    this.#report(model, entry, performance.now() - entry.ejectedAt);
  }

  /** Called when an answer is complete. */
  succeeded(model: string, begun: number): void {
    if (this.#entries.size === 0) return;
    this.started(model, begun);
    const label = this.#options.label(model);
    const entry = this.#entries.get(label);
    if (entry === undefined || entry.ejected) return;
    entry.failures = Math.max(0, entry.failures - 1);
    if (entry.failures === 0 && performance.now() >= entry.restsUntil) this.#entries.delete(label);
  }

  /**
   * Called when a request ended without a complete answer. Errors that are the client's fault decide nothing.
   *
   * @param error absent for a refusal that was passed on to the client
   * @returns true if the model is ejected now and was not before
   */
  failed(model: string, begun: number, error: GatewayError | undefined): boolean {
    const label = this.#options.label(model);
    let entry = this.#entries.get(label);
    if (entry?.trial === begun) entry.trial = undefined;
    const rest = error && restOf(error);
    if (error === undefined || (rest === undefined && !isModelFailure(error))) return false;
    if (entry === undefined) {
      entry = { ...healthy, error };
      this.#entries.set(label, entry);
    }
    if (rest !== undefined) {
      entry.restsUntil = performance.now() + rest * 1000;
      return false;
    }
    entry.answers = false;
    // A request that was sent before the ejection, or while others wait for the trial, decides nothing.
    if (entry.ejected && begun < entry.retryAt) return false;
    entry.error = error;
    entry.failures += 1;
    if (!entry.ejected && entry.failures < this.#options.failures) return false;
    const now = performance.now();
    entry.ejections += 1;
    entry.retryAt = now + Math.min(pause.longest, pause.first * 2 ** (entry.ejections - 1));
    if (entry.ejected) return false;
    entry.ejected = true;
    entry.ejectedAt = now;
    this.#report(model, entry, 0);
    return true;
  }

  /**
   * Tries an ejected model without a client. Never rejects.
   *
   * @param send rejects if the model does not answer
   */
  async probe(model: string, send: () => Promise<void>): Promise<void> {
    const begun = this.begin(model);
    try {
      await send();
      this.started(model, begun);
    } catch (thrown) {
      const error = thrown instanceof GatewayError ? thrown : new GatewayError('upstream_error', '', { cause: thrown });
      this.failed(model, begun, error);
      const entry = this.#ejected(model);
      if (entry !== undefined && !isModelFailure(error)) entry.refusesProbes = true;
    }
  }

  #ejected(model: string): Entry | undefined {
    const entry = this.#entries.get(this.#options.label(model));
    return entry?.ejected === true ? entry : undefined;
  }

  #report(model: string, { ejected, error, failures }: Entry, ejectedFor: number): void {
    this.#options.onChange({ model: this.#options.label(model), ejected, error, failures, ejectedFor });
  }
}

const healthy = {
  failures: 0,
  ejected: false,
  ejectedAt: 0,
  ejections: 0,
  retryAt: 0,
  trial: undefined,
  answers: false,
  restsUntil: 0,
  refusesProbes: false,
} as const;

/** True if the server took the request and sent nothing for too long. */
function isSilence({ code }: GatewayError): boolean {
  return code === 'first_token_timeout' || code === 'upstream_idle_timeout' || code === 'upstream_timeout';
}

/** Errors of every model of a server, which `Health` counts, and errors that a request itself has caused. */
const notOfModel: ReadonlySet<string> = new Set([
  'upstream_unreachable',
  'upstream_tls_error',
  'upstream_down',
  'upstream_request_failed',
]);

/**
 * True for an error that says that the server fails with this model: its own 5xx, a broken connection or answer, silence, or
 * a refusal of llamaduct's own key. Other 4xx are about the request.
 */
function isModelFailure(error: GatewayError): boolean {
  const { answered, cause, code, fromUpstream } = error;
  if (!fromUpstream || notOfModel.has(code) || answered?.status === 429) return false;
  // Without either, it is llamaduct that does not accept the answer, such as one that does not match its schema.
  return code !== 'upstream_error' || answered !== undefined || cause !== undefined;
}

/** Seconds for which a server rests that does not say when it takes requests again, such as one whose quota is used up. */
const longRest = 60;

/** @returns the seconds for which a server asks for fewer requests; undefined for any other error */
function restOf({ answered, retryAfter }: GatewayError): number | undefined {
  return answered?.status === 429 ? (retryAfter ?? longRest) : undefined;
}
