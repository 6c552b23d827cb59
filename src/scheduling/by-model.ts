import type { Entry } from './entry.ts';
import { LinkedList, type Node } from './linked-list.ts';

interface Group {
  readonly key: string;
  readonly entries: LinkedList<Entry>;
}

/** The waiting of one model and one class, a group for each key. */
interface Line {
  readonly ring: LinkedList<Group>;
  readonly groups: Map<string, Node<Group>>;
}

/** Who waits for which model. Among those of one model the keys take turns. Every operation is O(1). */
export class ByModel {
  readonly #lines = { interactive: new Map<string, Line>(), batch: new Map<string, Line>() };

  add(entry: Entry): void {
    const { key, model, priority } = entry.work;
    const line = this.#lines[priority].get(model) ?? { ring: new LinkedList(), groups: new Map() };
    this.#lines[priority].set(model, line);
    const group = line.groups.get(key) ?? line.ring.push({ key, entries: new LinkedList() });
    line.groups.set(key, group);
    entry.place = group.value.entries.push(entry);
  }

  /** Takes an entry out; the next of its model is another key's. */
  remove(entry: Entry): void {
    const { key, model, priority } = entry.work;
    const line = this.#lines[priority].get(model);
    const group = line?.groups.get(key);
    if (line === undefined || group === undefined || entry.place === undefined) return;
    group.value.entries.remove(entry.place);
    entry.place = undefined;
    if (group.value.entries.size > 0) return line.ring.moveToBack(group);
    line.ring.remove(group);
    line.groups.delete(key);
    if (line.ring.size === 0) this.#lines[priority].delete(model);
  }

  /** Who of a model would go next, of the class or of one before it. */
  first(model: string, priority: Entry['work']['priority']): Entry | undefined {
    const interactive = this.#lines.interactive.get(model)?.ring.first?.value.entries.first?.value;
    if (interactive !== undefined || priority === 'interactive') return interactive;
    return this.#lines.batch.get(model)?.ring.first?.value.entries.first?.value;
  }

  has(model: string): boolean {
    return this.#lines.interactive.has(model) || this.#lines.batch.has(model);
  }
}
