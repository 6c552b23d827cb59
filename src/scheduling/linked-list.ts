/** A node of a {@link LinkedList}, which can be removed in O(1). */
export interface Node<T> {
  readonly value: T;
  previous: Node<T> | undefined;
  next: Node<T> | undefined;
}

/**
 * A FIFO queue from which any node can be removed in O(1). An array would shift its elements, and a Map would iterate
 * over its deleted entries.
 */
export class LinkedList<T> {
  first: Node<T> | undefined;
  #last: Node<T> | undefined;
  size = 0;

  push(value: T): Node<T> {
    const node: Node<T> = { value, previous: undefined, next: undefined };
    this.#append(node);
    return node;
  }

  /** @param node a node of this list */
  remove(node: Node<T>): void {
    if (node.previous === undefined) this.first = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.#last = node.previous;
    else node.next.previous = node.previous;
    this.size -= 1;
  }

  /** @param node a node of this list */
  moveToBack(node: Node<T>): void {
    this.remove(node);
    this.#append(node);
  }

  *[Symbol.iterator](): Generator<T, undefined> {
    for (let node = this.first; node !== undefined; node = node.next) yield node.value;
  }

  #append(node: Node<T>): void {
    node.previous = this.#last;
    node.next = undefined;
    if (this.#last === undefined) this.first = node;
    else this.#last.next = node;
    this.#last = node;
    this.size += 1;
  }
}
