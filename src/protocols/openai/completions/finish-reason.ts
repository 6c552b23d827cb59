import type { CompletionChoice } from 'openai/resources/completions';
import type { FinishReason } from '../../../chat/event.ts';

/** The older API knows no tool calls. */
export function finishReason(reason: FinishReason): CompletionChoice['finish_reason'] {
  return reason === 'length' ? 'length' : 'stop';
}
