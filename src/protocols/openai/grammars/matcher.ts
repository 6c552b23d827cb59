// Grammars come from clients, and texts from models. An automaton takes a time that is bounded by both lengths, whatever they are;
// JavaScript's regular expressions backtrack.

/** A grammar without recursion. */
export type Node =
  | { readonly type: 'character'; readonly accepts: (character: string) => boolean }
  | { readonly type: 'sequence' | 'choice'; readonly nodes: readonly Node[] }
  | { readonly type: 'repeat'; readonly node: Node; readonly min: number; readonly max: number };

/** Thrown for a grammar that cannot be checked here. */
export class Uncheckable extends Error {}

/** States of one automaton. */
const maxStates = 5_000;
/** Steps of all checks of one matcher, each a state for a character: some 100 ms. */
const maxSteps = 1_500_000;

/** Goes to the states in `to`, if it is undefined or accepts the next character. */
interface State {
  readonly accepts?: (character: string) => boolean;
  readonly to: number[];
}

export class Matcher {
  readonly #states: State[] = [];
  readonly #start: number;
  #stepsLeft = maxSteps;

  /** @throws {Uncheckable} for a grammar that is too large */
  constructor(grammar: Node) {
    const end = this.#add({ to: [] });
    this.#start = this.#compile(grammar, end);
  }

  /** @returns true if the whole text matches; undefined if the check would take too long */
  matches(text: string): boolean | undefined {
    let current = this.#closure([this.#start]);
    for (const character of text) {
      if (this.#stepsLeft < 0) return undefined;
      const next: number[] = [];
      for (const index of current) {
        const state = this.#states[index];
        if (state?.accepts?.(character) === true) next.push(...state.to);
      }
      if (next.length === 0) return false;
      current = this.#closure(next);
    }
    return current.has(0);
  }

  /** @returns the states that are reached without a character */
  #closure(from: readonly number[]): Set<number> {
    const reached = new Set<number>();
    const open = [...from];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (reached.has(index)) continue;
      reached.add(index);
      this.#stepsLeft -= 1;
      const state = this.#states[index];
      if (state !== undefined && state.accepts === undefined) open.push(...state.to);
    }
    return reached;
  }

  #add(state: State): number {
    if (this.#states.length >= maxStates) throw new Uncheckable();
    this.#states.push(state);
    return this.#states.length - 1;
  }

  /** @returns the first state of a node that goes on to `next` */
  #compile(node: Node, next: number): number {
    switch (node.type) {
      case 'character':
        return this.#add({ accepts: node.accepts, to: [next] });
      case 'sequence':
        return node.nodes.reduceRight((after, part) => this.#compile(part, after), next);
      case 'choice':
        return this.#add({ to: node.nodes.map((part) => this.#compile(part, next)) });
      case 'repeat':
        return this.#compileRepeat(node, next);
      default:
        return node satisfies never;
    }
  }

  #compileRepeat({ node, min, max }: Extract<Node, { type: 'repeat' }>, next: number): number {
    if (Math.max(min, max === Infinity ? 0 : max) > maxStates) throw new Uncheckable();
    let start = next;
    if (max === Infinity) {
      const loop: State = { to: [next] };
      start = this.#add(loop);
      loop.to.push(this.#compile(node, start));
    } else {
      for (let count = min; count < max; count += 1) start = this.#add({ to: [this.#compile(node, start), next] });
    }
    for (let count = 0; count < min; count += 1) start = this.#compile(node, start);
    return start;
  }
}

/** @returns the node of a text. @param ignoresCase true for one that matches in any case */
export function literal(text: string, ignoresCase = false): Node {
  const nodes = Array.from(text, (expected): Node => {
    if (!ignoresCase) return { type: 'character', accepts: (character) => character === expected };
    const lower = expected.toLowerCase();
    return { type: 'character', accepts: (character) => character.toLowerCase() === lower };
  });
  return { type: 'sequence', nodes };
}
