/**
 * How much later than in the fair order a request starts whose turn it is now, in milliseconds of the box's time.
 *
 * Up to that turn the box served all who come before it in the order, and besides those who started early and whose
 * turn is still to come; and it loaded models. In the fair order it would have served only the former, and loaded a
 * model whenever the order comes to one that is not among the last. The difference of the two is the lag. A request
 * further back was overtaken by fewer and saved more loads, so that no one's lag is greater.
 *
 * Never below 0: time that was saved pays back what is owed, but is not kept for delaying someone later.
 *
 * With one request at a time this is exact, but for estimates while a request runs; with `parallel` of them each
 * delays the others by its share.
 */
export class Lag {
  #value = 0;
  /** What the box would hold if the fair order had been followed, least recently used first. */
  #fair: string[] = [];

  get value(): number {
    return this.#value;
  }

  /** Nobody waits: nobody is late. */
  reset(resident: readonly string[]): void {
    this.#value = 0;
    this.#fair = [...resident];
  }

  /** The box spends time on what the fair order would not have it do now; below 0: it was spared some. */
  add(time: number): void {
    this.#value = Math.max(0, this.#value + time);
  }

  /** Whether the box would load a model if the order came to it. */
  wouldLoad(model: string): boolean {
    return model !== '' && !this.#fair.includes(model);
  }

  /** The order comes to a model. */
  turn(model: string, slots: number): void {
    if (model === '') return;
    this.#fair = [...this.#fair.filter((other) => other !== model), model].slice(-slots);
  }
}
