import type { FinishReason } from '../../chat/event.ts';
import { GatewayError } from '../../errors.ts';

/**
 * Servers have reasons of their own beside OpenAI's.
 *
 * @param called whether the answer holds calls: some servers say `stop` then too
 * @throws {GatewayError} where the reason is that the answer broke
 */
export function toFinishReason(reason: string, called: boolean): FinishReason {
  switch (reason) {
    case 'length':
    case 'max_tokens':
    case 'model_length':
      // Calls or not: the last one may be missing.
      return 'length';
    case 'content_filter':
      return 'content_filter';
    case 'abort':
    case 'aborted':
    case 'error':
      throw new GatewayError('upstream_incomplete', 'The upstream broke its answer off.');
    default:
      return called ? 'tool_calls' : 'stop';
  }
}
