import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Admitted } from '../exchange/admitted.ts';
import type { Exchange } from '../exchange/exchange.ts';

/** The part of all requests that one key may have under way, unless its group says otherwise. */
const requestShare = 1 / 4;
/** The part of `limits.bodies_total` that the requests of one key may hold. */
const bodyShare = 1 / 2;
/** Owners without requests whose counts are kept, so that a key in constant use does not need new ones each time. */
const maxIdle = 1_000;

/** Seconds. */
const retryAfter = 2;

/** The owner of requests, which share their counts. */
export interface Owner {
  /** A key; for requests without one, the address that they come from. */
  readonly name: string;
  /** The label of the key in metrics. */
  readonly label: string;
  /** Maximum number of requests under way. Absent: a quarter of all. */
  readonly maxRequests?: number | undefined;
}

interface Counts {
  requests: number;
  bytes: number;
}

type Limits = Pick<Config['limits'], 'in_flight' | 'bodies_total'>;

/** Bounds the requests under way and the memory of their bodies: of all together, and of each key. */
export class Admission {
  #limits: Limits;
  readonly #onRefused: (owner: Owner) => void;
  readonly #owners = new Map<string, Counts>();
  readonly #all: Counts = { requests: 0, bytes: 0 };

  /** @param onRefused is called when too many requests of an owner are under way */
  constructor(limits: Limits, onRefused: (owner: Owner) => void) {
    this.#limits = limits;
    this.#onRefused = onRefused;
  }

  /** Replaces the limits. Requests under way stay, also when there are now more of them than may be. */
  use(limits: Limits): void {
    this.#limits = limits;
  }

  /**
   * Counts a request until its exchange ends.
   *
   * @throws {GatewayError} 503 when too many requests are under way, 429 when too many of its owner are
   */
  enter(exchange: Exchange, owner: Owner): void {
    const { in_flight: max } = this.#limits;
    const maxOfOwner = owner.maxRequests ?? Math.ceil(max * requestShare);
    const counts = this.#countsOf(owner.name);
    if (this.#all.requests >= max) {
      throw new GatewayError('server_overloaded', 'Too many requests are under way.', { retryAfter });
    }
    if (counts.requests >= maxOfOwner) {
      this.#onRefused(owner);
      const message = `Too many requests of this key are under way: at most ${maxOfOwner} may be.`;
      throw new GatewayError('rate_limit_exceeded', message, { retryAfter });
    }
    exchange.admitted = new AdmittedRequest(owner.name, { limits: this.#limits, all: this.#all, counts });
  }

  #countsOf(name: string): Counts {
    const known = this.#owners.get(name);
    if (known !== undefined) return known;
    if (this.#owners.size >= maxIdle) {
      for (const [other, { requests }] of this.#owners) if (requests === 0) this.#owners.delete(other);
    }
    const counts = { requests: 0, bytes: 0 };
    this.#owners.set(name, counts);
    return counts;
  }
}

interface Shared {
  readonly limits: Limits;
  readonly all: Counts;
  /** The owner's counts. */
  readonly counts: Counts;
}

class AdmittedRequest implements Admitted {
  readonly owner: string;
  readonly #shared: Shared;
  #bytes = 0;
  #hasLeft = false;

  constructor(owner: string, shared: Shared) {
    this.owner = owner;
    this.#shared = shared;
    shared.all.requests += 1;
    shared.counts.requests += 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hold(bytes: number): void {
    if (this.#hasLeft) return;
    const { limits, all, counts } = this.#shared;
    const maxOfOwner = limits.bodies_total * bodyShare;
    if (all.bytes + bytes > limits.bodies_total) {
      throw new GatewayError('server_overloaded', 'The requests under way use all the memory for request bodies.', {
        retryAfter,
      });
    }
    if (counts.bytes + bytes > maxOfOwner) {
      const message = `The requests of this key that are under way take more than ${maxOfOwner} bytes.`;
      throw new GatewayError('server_overloaded', message, { retryAfter });
    }
    this.#bytes += bytes;
    all.bytes += bytes;
    counts.bytes += bytes;
  }

  leave(): void {
    this.#hasLeft = true;
    const { all, counts } = this.#shared;
    all.requests -= 1;
    counts.requests -= 1;
    all.bytes -= this.#bytes;
    counts.bytes -= this.#bytes;
  }
}
