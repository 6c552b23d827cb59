import { GatewayError } from '../errors.ts';
import type { ModelState } from '../pool/models/model-health.ts';
import type { Upstream } from '../pool/upstream.ts';
import { toSeconds } from './time.ts';

/** Maximum number of models per server on a board. */
const maxModels = 500;

export interface LoadedState {
  readonly name: string;
  /** Bytes of memory, those of GPUs included. */
  readonly bytes: number | null;
  readonly gpu_bytes: number | null;
  /** Tokens. */
  readonly context: number | null;
  /** Unix seconds. */
  readonly expires_at: number | null;
}

/** One server, without its address. */
export interface ServerState {
  readonly name: string;
  readonly kind: string;
  readonly version: string | null;
  readonly up: boolean;
  /** Code of the failure that ejected it. */
  readonly error: string | null;
  /** Failures in a row. */
  readonly failures: number;
  readonly weight: number;
  /** Requests that it serves or that wait for it. */
  readonly outstanding: number;
  /** Requests that it gets at a time; null without `parallel`. */
  readonly parallel: number | null;
  readonly running: number | null;
  readonly waiting: number | null;
  /** Seconds that the first interactive request has waited. */
  readonly longest_wait: number | null;
  /** Models that fail or rest there. */
  readonly troubled_models: readonly {
    readonly name: string;
    readonly state: ModelState;
    readonly error: string;
    readonly failures: number;
    /** Seconds. */
    readonly retry_in: number;
  }[];
  /** Null if the server does not report them. */
  readonly loaded: readonly LoadedState[] | null;
  readonly models: readonly { readonly name: string; readonly bytes: number | null }[];
}

/** @param version that of the server, if it is known */
export function serverState(upstream: Upstream, version: string | undefined): ServerState {
  const { name, kind, health, queue, weight, outstanding, modelHealth, catalog } = upstream;
  const { isUp, failures, error } = health.state;
  return {
    name,
    kind,
    version: version ?? null,
    up: isUp,
    error: isUp ? null : codeOf(error),
    failures,
    weight,
    outstanding,
    parallel: queue?.parallel ?? null,
    running: queue?.inFlight ?? null,
    waiting: queue?.size ?? null,
    longest_wait: queue === undefined ? null : toSeconds(queue.longestWait),
    troubled_models: modelHealth.troubled.map(({ model, state, code, failures: inRow, retryInMs }) => ({
      name: model,
      state,
      error: code,
      failures: inRow,
      retry_in: toSeconds(retryInMs),
    })),
    loaded: loadedStates(upstream),
    models: catalog.listed.slice(0, maxModels).map((model) => ({ name: model.name, bytes: model.bytes ?? null })),
  };
}

/** @returns the models in a server's memory when that was last read; null if it is not known */
export function loadedStates({ catalog }: Pick<Upstream, 'catalog'>): LoadedState[] | null {
  const { inMemory } = catalog;
  if (inMemory === undefined) return null;
  return inMemory.slice(0, maxModels).map(({ name, bytes, gpuBytes, contextLength, expires }) => ({
    name,
    bytes: bytes ?? null,
    gpu_bytes: gpuBytes ?? null,
    context: contextLength ?? null,
    expires_at: expires === undefined ? null : toSeconds(expires),
  }));
}

function codeOf(error: unknown): string {
  return error instanceof GatewayError ? error.code : 'upstream_error';
}
