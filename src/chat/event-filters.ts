import type { Emit } from './event.ts';

/** Leaves the thinking out. */
export function withoutReasoning(emit: Emit): Emit {
  return (event) => {
    if (event.type !== 'reasoning') emit(event);
  };
}

/** Keeps the first call of an answer and drops the others. */
export function firstToolCallOnly(emit: Emit): Emit {
  let called = false;
  return (event) => {
    if (event.type === 'tool-call') {
      if (called) return;
      called = true;
    }
    emit(event);
  };
}
