/**
 * Milliseconds of server time by which the head of the fair order starts later than it would in the fair order.
 *
 * Until it starts, the server serves all requests before it in the order, and also those that started early and are
 * still behind it; and it loads models. In the fair order it would serve only the former, and load a model whenever the
 * order comes to one that is not among the last used. The lag is the difference of the two. A request further back was
 * overtaken by fewer requests and saved more loads, so its lag is never greater.
 *
 * The lag is never below 0: saved time pays back what is owed, but is not kept for delaying a later request.
 *
 * With one request at a time the lag is exact, except for estimates while a request runs. With `parallel` requests at a
 * time, each request delays the others by its share.
 */
export class Lag {
  #value = 0;
  /** The models that the server would hold in memory in the fair order, least recently used first. */
  #fairModels: string[] = [];

  get value(): number {
    return this.#value;
  }

  /** Call it when nothing waits: nothing is late. */
  reset(resident: readonly string[]): void {
    this.#value = 0;
    this.#fairModels = [...resident];
  }

  /**
   * @param time milliseconds that the server spends on work that the fair order would not do now; negative for work
   *   that it saves
   */
  add(time: number): void {
    this.#value = Math.max(0, this.#value + time);
  }

  /** @returns true if the fair order would load the model when it comes to it */
  wouldLoad(model: string): boolean {
    return model !== '' && !this.#fairModels.includes(model);
  }

  /** Records that the fair order has come to a request for the model. @param slots models in memory at a time */
  use(model: string, slots: number): void {
    if (model === '') return;
    this.#fairModels = [...this.#fairModels.filter((other) => other !== model), model].slice(-slots);
  }
}
