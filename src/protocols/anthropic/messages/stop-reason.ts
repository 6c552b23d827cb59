import type { Message, StopReason } from '@anthropic-ai/sdk/resources/messages';
import type { FinishReason } from '../../../chat/event.ts';

/** @see https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons */
export function toStop(
  reason: FinishReason,
  stopSequence?: string,
): Pick<Message, 'stop_reason' | 'stop_sequence' | 'stop_details'> {
  return {
    stop_reason: toStopReason(reason, stopSequence),
    stop_sequence: (reason === 'stop' && stopSequence) || null,
    stop_details: reason === 'content_filter' ? { type: 'refusal', category: null, explanation: null } : null,
  };
}

function toStopReason(reason: FinishReason, stopSequence: string | undefined): StopReason {
  switch (reason) {
    case 'stop':
      return stopSequence === undefined ? 'end_turn' : 'stop_sequence';
    case 'length':
      return 'max_tokens';
    case 'tool_calls':
      return 'tool_use';
    case 'content_filter':
      return 'refusal';
    default:
      return reason satisfies never;
  }
}
