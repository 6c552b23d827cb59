import { rankUpstreams } from './ranking.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { type Upstream, modelToLoad } from './upstream.ts';

/** Milliseconds that a prompt cache is worth. */
const slack = 2_000;
/** Of an upstream without a queue nobody knows what it does at a time, nor how long loading takes there: guesses. */
const guess = { parallel: 8, service: 10_000, load: 10_000 };

/** What upstreams have to do, and which of them would begin soonest. */
export class Selector {
  readonly #outstanding = new Map<Upstream, number>();

  /** @param conversation asked only where there is a choice. @returns undefined of none */
  select(upstreams: readonly Upstream[], model: string, conversation: () => string | undefined): Upstream | undefined {
    // Where there is no choice nothing has to be weighed.
    if (upstreams.length <= 1) return upstreams[0];
    const candidates = upstreams.map((upstream) => ({
      upstream,
      name: upstream.name,
      weight: upstream.weight,
      outstanding: this.#has(upstream),
      ...(upstream.queue?.delayFor(modelToLoad(upstream, model)) ?? { wait: 0, load: loadOf(upstream, model) }),
    }));
    const [first] = candidates;
    // Among those that are equal otherwise it is their share that counts, not a guess.
    const unequal = candidates.some(
      ({ upstream, load }) =>
        load !== first?.load || (upstream.queue === undefined) !== (first.upstream.queue === undefined),
    );
    const weighed = unequal
      ? candidates.map((one) =>
          one.upstream.queue === undefined ? { ...one, wait: this.#guessedWait(one.upstream) } : one,
        )
      : candidates;
    return rankUpstreams(weighed, conversation(), slack)[0]?.upstream;
  }

  /** @returns a function to call when the upstream is done with the exchange; its end does so too */
  trackRequest(upstream: Upstream, exchange: Exchange): () => void {
    this.#outstanding.set(upstream, this.#has(upstream) + 1);
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      this.#outstanding.set(upstream, this.#has(upstream) - 1);
    };
    exchange.onEnd(leave);
    return leave;
  }

  #has(upstream: Upstream): number {
    return this.#outstanding.get(upstream) ?? 0;
  }

  #guessedWait(upstream: Upstream): number {
    const atOnce = guess.parallel * upstream.weight;
    return (Math.max(0, this.#has(upstream) + 1 - atOnce) * guess.service) / atOnce;
  }
}

function loadOf({ catalog, loadedModels }: Upstream, model: string): number {
  return loadedModels === undefined || !catalog.has(model) || loadedModels.has(catalog.canonical(model))
    ? 0
    : guess.load;
}
