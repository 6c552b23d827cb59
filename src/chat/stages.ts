import type { Emit } from './event.ts';

/** Leaves the thinking out. */
export function withoutReasoning(emit: Emit): Emit {
  return (event) => {
    if (event.type !== 'reasoning') emit(event);
  };
}
