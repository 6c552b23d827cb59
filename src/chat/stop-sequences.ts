import type { Emit, Usage } from './event.ts';

/**
 * Ends an answer at the first of some stop sequences in its text, and names it: Ollama cuts an answer there too, but
 * does not say so. Text that may be the beginning of one waits for what follows.
 *
 * @param inputTokens what the answer's usage says of its prompt; the backend's own count comes only with its own end
 * @param onCut called when the rest of the backend's answer is not wanted
 */
export function stopAt(stops: readonly string[], inputTokens: number, emit: Emit, onCut: () => void): Emit {
  let held = '';
  /** One text of Ollama is one token, but for characters that take several. */
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
    const stop = firstOf(stops, text);
    if (stop === undefined) {
      const free = text.length - openingLength(stops, text);
      held = text.slice(free);
      if (free > 0 || event.logprobs !== undefined) emit({ ...event, text: text.slice(0, free) });
      return;
    }
    ended = true;
    if (stop.at > 0) emit({ ...event, text: text.slice(0, stop.at) });
    const usage: Usage = { inputTokens, outputTokens };
    emit({ type: 'finish', reason: 'stop', stopSequence: stop.sequence, usage, timings: {} });
    onCut();
  };
}

function firstOf(
  stops: readonly string[],
  text: string,
): { readonly sequence: string; readonly at: number } | undefined {
  let first: { sequence: string; at: number } | undefined;
  for (const sequence of stops) {
    const at = text.indexOf(sequence);
    if (at !== -1 && (first === undefined || at < first.at)) first = { sequence, at };
  }
  return first;
}

/** How many characters at the end of a text may be the beginning of a stop sequence. */
function openingLength(stops: readonly string[], text: string): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
