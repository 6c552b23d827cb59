import type { FinishReason } from '../../chat/event.ts';
import { GatewayError } from '../../errors.ts';

/**
 * Translates a finish reason. Servers have their own reasons besides OpenAI's.
 *
 * @param called true when the response has tool calls; some servers send `stop` then, too
 * @throws {GatewayError} `upstream_incomplete` when the reason is that the response was aborted
 */
export function toFinishReason(reason: string, called: boolean): FinishReason {
  switch (reason) {
    case 'length':
    case 'max_tokens':
    case 'model_length':
      // With tool calls, too: the last one may be missing.
      return 'length';
    case 'content_filter':
      return 'content_filter';
    case 'abort':
    case 'aborted':
    case 'error':
      throw new GatewayError('upstream_incomplete', 'The upstream aborted its answer.');
    default:
      return called ? 'tool_calls' : 'stop';
  }
}
