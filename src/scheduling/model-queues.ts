import type { Entry } from './entry.ts';
import { LinkedList, type Node } from './linked-list.ts';

interface KeyQueue {
  readonly key: string;
  readonly entries: LinkedList<Entry>;
}

/** The waiting requests of one model and priority, with a queue for each key. The first key is served next. */
interface ModelQueue {
  readonly keys: LinkedList<KeyQueue>;
  readonly nodes: Map<string, Node<KeyQueue>>;
}

/** The waiting requests by model. Within a model, keys are served round robin. Every operation is O(1). */
export class ModelQueues {
  readonly #queues = { interactive: new Map<string, ModelQueue>(), batch: new Map<string, ModelQueue>() };

  add(entry: Entry): void {
    const { key, model, priority } = entry.work;
    const queue = this.#queues[priority].get(model) ?? { keys: new LinkedList(), nodes: new Map() };
    this.#queues[priority].set(model, queue);
    const node = queue.nodes.get(key) ?? queue.keys.push({ key, entries: new LinkedList() });
    queue.nodes.set(key, node);
    entry.modelNode = node.value.entries.push(entry);
  }

  /** Removes an entry. The next one of its model belongs to another key. */
  remove(entry: Entry): void {
    const { key, model, priority } = entry.work;
    const queue = this.#queues[priority].get(model);
    const node = queue?.nodes.get(key);
    if (queue === undefined || node === undefined || entry.modelNode === undefined) return;
    node.value.entries.remove(entry.modelNode);
    entry.modelNode = undefined;
    if (node.value.entries.size > 0) return queue.keys.moveToBack(node);
    queue.keys.remove(node);
    queue.nodes.delete(key);
    if (queue.keys.size === 0) this.#queues[priority].delete(model);
  }

  /** @returns the next entry of a model with this priority or a higher one */
  first(model: string, priority: Entry['work']['priority']): Entry | undefined {
    const interactive = this.#queues.interactive.get(model)?.keys.first?.value.entries.first?.value;
    if (interactive !== undefined || priority === 'interactive') return interactive;
    return this.#queues.batch.get(model)?.keys.first?.value.entries.first?.value;
  }

  has(model: string): boolean {
    return this.#queues.interactive.has(model) || this.#queues.batch.has(model);
  }
}
