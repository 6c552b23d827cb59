import type { Emit } from '../event.ts';

/** Drops the model's thinking, and empty texts, whose log probabilities may belong to the thinking. */
export function withoutReasoning(emit: Emit): Emit {
  return (event) => {
    if (event.type !== 'reasoning' && !(event.type === 'text' && event.text === '')) emit(event);
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
