/** How much the latest observation counts. */
const recency = 0.1;

/** How fast the upstream has been of late: moving averages over finished requests. Times in milliseconds. */
export class Pace {
  #service: number;
  #cost: number | undefined;
  #load: number;

  /** Both are what to expect before anything was seen. */
  constructor(service: number, load: number) {
    this.#service = service;
    this.#load = load;
  }

  /** Of a request. */
  get service(): number {
    return this.#service;
  }

  /** Of a model. */
  get load(): number {
    return this.#load;
  }

  /** How long a request of that many tokens will run. */
  expected(cost: number): number {
    return this.#cost === undefined ? this.#service : (this.#service * cost) / this.#cost;
  }

  observe(cost: number, service: number): void {
    if (!(service >= 0) || service === Infinity) return;
    // The first replaces the guess.
    const weight = this.#cost === undefined ? 1 : recency;
    this.#service += (service - this.#service) * weight;
    this.#cost = this.#cost === undefined ? cost : this.#cost + (cost - this.#cost) * recency;
  }

  observeLoad(load: number): void {
    if (load >= 0 && load < Infinity) this.#load += (load - this.#load) * recency;
  }
}
