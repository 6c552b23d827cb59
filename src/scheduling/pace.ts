/** Weight of the latest observation in the moving averages. */
const smoothing = 0.1;

/** Exponential moving averages of how fast an upstream serves requests and loads models. Times in milliseconds. */
export class Pace {
  #service: number;
  #cost: number | undefined;
  #load: number;

  /** Both times are what to expect until there are observations. */
  constructor(service: number, load: number) {
    this.#service = service;
    this.#load = load;
  }

  /** True once a request was observed. */
  get isKnown(): boolean {
    return this.#cost !== undefined;
  }

  /** Time to serve one request. */
  get service(): number {
    return this.#service;
  }

  /** Time to load one model. */
  get load(): number {
    return this.#load;
  }

  /** @param cost tokens. @returns the expected time to serve a request of that cost */
  expected(cost: number): number {
    return this.#cost === undefined ? this.#service : (this.#service * cost) / this.#cost;
  }

  observe(cost: number, service: number): void {
    if (!(service >= 0) || service === Infinity) return;
    // The first observation replaces the initial guess.
    const weight = this.#cost === undefined ? 1 : smoothing;
    this.#service += (service - this.#service) * weight;
    this.#cost = this.#cost === undefined ? cost : this.#cost + (cost - this.#cost) * smoothing;
  }

  observeLoad(load: number): void {
    if (load >= 0 && load < Infinity) this.#load += (load - this.#load) * smoothing;
  }
}
