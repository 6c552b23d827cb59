import type { Ending } from '../exchange/ending.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { toSeconds } from './time.ts';

/** Minutes that are kept. */
const minutes = 60;

/** Maximum number of pairs of a key and a model in one minute. The others count as one, of no key. */
const maxPairs = 500;

/** No key has an empty name, so that none sees what the others used. */
const otherKeys = '';

interface Counts {
  requests: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
  /** Seconds, of all requests together, and the requests that have one. */
  firstTokenSeconds: number;
  firstTokens: number;
  queuedSeconds: number;
}

type Totals = Readonly<Record<'requests' | 'failed' | 'input_tokens' | 'output_tokens', number>> & {
  /** Mean seconds to the first token; null if no answer began. */
  readonly first_token: number | null;
  /** Mean seconds in the queue; null without requests. */
  readonly queued: number | null;
};

export interface LastHourState {
  /** The requests of the hour by key and model, those with the most tokens first. */
  readonly by_key_and_model: readonly (Totals & { readonly key: string; readonly model: string })[];
  /** One entry for each of the last sixty minutes in which a request ended; `at` is its start in Unix seconds. */
  readonly by_minute: readonly (Totals & { readonly at: number })[];
}

interface Minute {
  /** Minutes since the epoch. */
  readonly number: number;
  readonly pairs: Map<string, Counts>;
}

/** The requests that ended in the last hour, by minute, key and model, in this process. */
export class LastHour {
  readonly #now: () => number;
  #minutes: Minute[] = [];

  /** @param now returns milliseconds since the epoch */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Counts a request that has ended. @param model a bounded label */
  add({ key, queuedMs }: Exchange, { outcome, charged, secondsToFirstChunk }: Ending, model: string): void {
    const counts = this.#countsOf(key?.name ?? '', model);
    counts.requests += 1;
    if (outcome !== 'ok') counts.failed += 1;
    counts.inputTokens += charged.inputTokens;
    counts.outputTokens += charged.outputTokens;
    counts.queuedSeconds += queuedMs / 1000;
    if (secondsToFirstChunk === undefined) return;
    counts.firstTokenSeconds += secondsToFirstChunk;
    counts.firstTokens += 1;
  }

  /** @param key name of the only key to show. Absent: all keys */
  state(key?: string): LastHourState {
    this.#forget(this.#minute());
    const byPair = new Map<string, Counts>();
    const byMinute: LastHourState['by_minute'][number][] = [];
    for (const { number, pairs } of this.#minutes) {
      const minute = empty();
      for (const [pair, counts] of pairs) {
        if (key !== undefined && keyOf(pair) !== key) continue;
        addTo(minute, counts);
        const sum = byPair.get(pair) ?? empty();
        byPair.set(pair, sum);
        addTo(sum, counts);
      }
      if (minute.requests > 0) byMinute.push({ at: number * 60, ...totals(minute) });
    }
    const lines = [...byPair].map(([pair, counts]) => ({
      key: keyOf(pair) === otherKeys ? 'other' : keyOf(pair),
      model: modelOf(pair),
      ...totals(counts),
    }));
    lines.sort((one, other) => tokensOf(other) - tokensOf(one));
    return { by_key_and_model: lines.slice(0, maxPairs), by_minute: byMinute };
  }

  #countsOf(key: string, model: string): Counts {
    const number = this.#minute();
    let minute = this.#minutes.at(-1);
    if (minute?.number !== number) {
      this.#forget(number);
      minute = { number, pairs: new Map() };
      this.#minutes.push(minute);
    }
    const pair = `${key}\n${model}`;
    const known = minute.pairs.get(pair);
    if (known !== undefined) return known;
    const name = minute.pairs.size < maxPairs ? pair : `${otherKeys}\nother`;
    const counts = minute.pairs.get(name) ?? empty();
    minute.pairs.set(name, counts);
    return counts;
  }

  #forget(now: number): void {
    if (this.#minutes.some(({ number }) => number <= now - minutes)) {
      this.#minutes = this.#minutes.filter(({ number }) => number > now - minutes);
    }
  }

  #minute(): number {
    return Math.floor(this.#now() / 60_000);
  }
}

function empty(): Counts {
  return {
    requests: 0,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    firstTokenSeconds: 0,
    firstTokens: 0,
    queuedSeconds: 0,
  };
}

function addTo(sum: Counts, counts: Counts): void {
  for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += counts[name];
}

function totals(counts: Counts): Totals {
  const { requests, failed, inputTokens, outputTokens, firstTokenSeconds, firstTokens, queuedSeconds } = counts;
  return {
    requests,
    failed,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    first_token: firstTokens === 0 ? null : toSeconds((firstTokenSeconds * 1000) / firstTokens),
    queued: requests === 0 ? null : toSeconds((queuedSeconds * 1000) / requests),
  };
}

function keyOf(pair: string): string {
  return pair.slice(0, pair.indexOf('\n'));
}

function modelOf(pair: string): string {
  return pair.slice(pair.indexOf('\n') + 1);
}

function tokensOf({ input_tokens: input, output_tokens: output }: Totals): number {
  return input + output;
}
