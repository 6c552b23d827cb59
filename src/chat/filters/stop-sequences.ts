import type { Emit, Usage } from '../event.ts';

/**
 * Ends an answer at the first stop sequence in its text, and reports which one it was: Ollama ends the answer there too,
 * but does not report it. Text that may be the beginning of a stop sequence is held back until the next text decides.
 *
 * @param inputTokens reported as the prompt's length; the backend's own count would come only with its own end
 * @param onCut called when the rest of the backend's answer is not needed
 */
export function stopAt(stops: readonly string[], inputTokens: number, emit: Emit, onCut: () => void): Emit {
  let held = '';
  /** One text of Ollama is one token, except for characters that take several. */
  let outputTokens = 0;
  let ended = false;
  const release = (): void => {
    if (held !== '') emit({ type: 'text', text: held });
    held = '';
  };
  return (event) => {
    if (ended) return;
    if (event.type === 'text' || event.type === 'reasoning') outputTokens += 1;
    if (event.type !== 'text') {
      release();
      emit(event);
      return;
    }
    const text = held + event.text;
    const stop = findFirst(stops, text);
    if (stop === undefined) {
      const end = text.length - partialStopLength(stops, text);
      held = text.slice(end);
      if (end > 0 || event.logprobs !== undefined) emit({ ...event, text: text.slice(0, end) });
      return;
    }
    ended = true;
    if (stop.index > 0) emit({ ...event, text: text.slice(0, stop.index) });
    const usage: Usage = { inputTokens, outputTokens };
    emit({ type: 'finish', reason: 'stop', stopSequence: stop.sequence, usage, timings: {} });
    onCut();
  };
}

/** @returns the stop sequence that begins first in a text, and its index */
function findFirst(
  stops: readonly string[],
  text: string,
): { readonly sequence: string; readonly index: number } | undefined {
  let first: { sequence: string; index: number } | undefined;
  for (const sequence of stops) {
    const index = text.indexOf(sequence);
    if (index !== -1 && (first === undefined || index < first.index)) first = { sequence, index };
  }
  return first;
}

/** @returns how many characters at the end of a text may be the beginning of a stop sequence */
function partialStopLength(stops: readonly string[], text: string): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
