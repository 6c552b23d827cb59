import type { Emit } from './event.ts';

/** Drops the model's thinking. */
export function withoutReasoning(emit: Emit): Emit {
  return (event) => {
    if (event.type !== 'reasoning') emit(event);
  };
}

/** Drops all tool calls of an answer but the first. */
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
