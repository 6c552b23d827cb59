import type { ChatEvent } from './event.ts';

/** A step between a decoder and an encoder. */
export type Emit = (event: ChatEvent) => void;

/** Leaves the thinking out. */
export function withoutReasoning(emit: Emit): Emit {
  return (event) => {
    if (event.type !== 'reasoning') emit(event);
  };
}
