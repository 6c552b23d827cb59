import type { Emit } from '../../chat/event.ts';
import type { TextCallOptions } from '../text-call.ts';
import { TextCallFilter } from './text-call-filter.ts';

/**
 * Turns calls that a model writes as text into tool calls. Text streams on until something that may begin a call of a known
 * tool; that is held back until it ends or shows to be something else, and is text after all if it is no call. How the text is
 * divided into events makes no difference. The model's thinking is never read.
 */
export function callsInText(emit: Emit, options: TextCallOptions): Emit {
  const filter = new TextCallFilter(emit, options);
  const filtering: Emit = (event) => {
    if (event.type === 'text') filter.add(event);
    else if (event.type === 'finish') filter.finish(event);
    else {
      if (event.type === 'tool-call') filter.stop();
      emit(event);
    }
  };
  const { verbatim } = emit;
  return verbatim === undefined ? filtering : Object.assign(filtering, { verbatim: filter.verbatim(verbatim) });
}
