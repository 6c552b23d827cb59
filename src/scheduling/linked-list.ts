/** A place in a List, for leaving it in O(1). */
export interface Node<T> {
  readonly value: T;
  before: Node<T> | undefined;
  after: Node<T> | undefined;
}

/** First in, first out, where anyone may leave in O(1): an array would shift, a Map would step over its deleted. */
export class LinkedList<T> {
  first: Node<T> | undefined;
  #last: Node<T> | undefined;
  size = 0;

  push(value: T): Node<T> {
    const place: Node<T> = { value, before: undefined, after: undefined };
    this.#append(place);
    return place;
  }

  /** @param place in this list */
  remove(place: Node<T>): void {
    if (place.before === undefined) this.first = place.after;
    else place.before.after = place.after;
    if (place.after === undefined) this.#last = place.before;
    else place.after.before = place.before;
    this.size -= 1;
  }

  /** @param place in this list */
  moveToBack(place: Node<T>): void {
    this.remove(place);
    this.#append(place);
  }

  *[Symbol.iterator](): Generator<T, undefined> {
    for (let place = this.first; place !== undefined; place = place.after) yield place.value;
  }

  #append(place: Node<T>): void {
    place.before = this.#last;
    place.after = undefined;
    if (this.#last === undefined) this.first = place;
    else this.#last.after = place;
    this.#last = place;
    this.size += 1;
  }
}
