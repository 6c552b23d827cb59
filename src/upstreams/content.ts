import type { Emit, TokenLogprob } from '../chat/event.ts';

/**
 * Emits the reasoning and the text of one part of a message; empty ones are left out.
 *
 * @param logprobs of the text. Those of reasoning are left out: OpenAI's API has no field for them
 */
export function emitContent(emit: Emit, reasoning: string, text: string, logprobs: readonly TokenLogprob[]): void {
  if (reasoning !== '') emit({ type: 'reasoning', text: reasoning });
  if (logprobs.length > 0 && (text !== '' || reasoning === '')) emit({ type: 'text', text, logprobs });
  else if (text !== '') emit({ type: 'text', text });
}
