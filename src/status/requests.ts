import type { Exchange } from '../exchange/exchange.ts';
import { toSeconds } from './time.ts';

/** Maximum number of requests on a board. */
const maxRequests = 1_000;

/** Maximum length of a model name, which clients choose. */
const maxName = 256;

/** `queued` waits for a slot, `processing` for its first token from a server. */
type RequestPhase = 'receiving' | 'queued' | 'processing' | 'streaming';

/** One request under way, without anything of its content. */
export interface RequestState {
  /** Null for whoever asks without a key. */
  readonly id: string | null;
  readonly key: string;
  readonly group: string | null;
  readonly route: string;
  readonly model: string | null;
  readonly upstream: string | null;
  readonly phase: RequestPhase;
  readonly priority: 'interactive' | 'batch';
  /** Unix seconds. */
  readonly started_at: number;
  /** 1 for the next request in the fair order; null for one that does not wait. */
  readonly position: number | null;
  /** Expected seconds until it starts; null for one that does not wait. */
  readonly expected_wait: number | null;
  /** Seconds that it waited for its slot. */
  readonly queued: number;
  /** Estimated tokens of the prompt. */
  readonly input_tokens: number;
  /** Chunks of the answer so far, which are tokens with most servers. */
  readonly output_tokens: number;
  readonly tokens_per_second: number | null;
}

/** @returns the requests that run a model, those that came first first, and how many there are */
export function requestStates(
  exchanges: Iterable<Exchange>,
  isShown: (exchange: Exchange) => boolean,
): { readonly requests: RequestState[]; readonly total: number } {
  const now = performance.now();
  const shown = [...exchanges].filter(
    (exchange) => exchange.runsModel && exchange.key !== undefined && isShown(exchange),
  );
  shown.sort((one, other) => one.startedAt - other.startedAt);
  return { requests: shown.slice(0, maxRequests).map((exchange) => describe(exchange, now)), total: shown.length };
}

function describe(exchange: Exchange, now: number): RequestState {
  const { estimate, progress } = exchange;
  const forecast = exchange.isQueued ? exchange.queuePosition?.() : undefined;
  return {
    id: exchange.id,
    ...ownerOf(exchange),
    route: exchange.route,
    model: exchange.model?.slice(0, maxName) ?? null,
    upstream: exchange.upstream ?? null,
    phase: phaseOf(exchange),
    started_at: toSeconds(performance.timeOrigin + exchange.startedAt),
    position: forecast?.position ?? null,
    expected_wait: forecast === undefined ? null : toSeconds(forecast.wait),
    queued: toSeconds(exchange.queuedMs),
    input_tokens: estimate.inputTokens,
    output_tokens: progress.chunks,
    tokens_per_second: rate(progress, now),
  };
}

function ownerOf({ key, batch }: Exchange): Pick<RequestState, 'key' | 'group' | 'priority'> {
  return {
    key: key?.name ?? '',
    group: key?.group ?? null,
    priority: batch ? 'batch' : (key?.priority ?? 'interactive'),
  };
}

function phaseOf(exchange: Exchange): RequestPhase {
  if (exchange.phase === 'streaming') return 'streaming';
  if (exchange.isQueued) return 'queued';
  return exchange.phase === 'request' && !exchange.hasSlot ? 'receiving' : 'processing';
}

/** @returns chunks per second since the first one; null before the second */
function rate({ chunks, firstChunkAt }: Exchange['progress'], now: number): number | null {
  if (firstChunkAt === undefined || chunks < 2 || now <= firstChunkAt) return null;
  return Math.round(((chunks - 1) / (now - firstChunkAt)) * 10_000) / 10;
}
