import type { TextBlock, ThinkingBlock, ToolUseBlock } from '@anthropic-ai/sdk/resources/messages';
import type { ToolCallEvent } from '../../../chat/event.ts';
import { GatewayError } from '../../../errors.ts';
import { isObject, parseExact } from '../../../framing/json.ts';

/**
 * What answers consist of. The SDK's types have `citations: null` on a text, but Anthropic's API leaves the field out,
 * and the AI SDK refuses null.
 */
export type AnswerBlock = Omit<TextBlock, 'citations'> | ThinkingBlock | ToolUseBlock;

/** Clients refuse thinking without a signature and must not read it. There is nothing to sign: it is always the same. */
export const signature = 'bGxhbWFkdWN0';

/** @throws {GatewayError} when the arguments are not a JSON object, for which Anthropic's dialect has no place */
export function toToolUse({ id, name, arguments: text }: ToolCallEvent): ToolUseBlock {
  let input: unknown;
  try {
    input = parseExact(text);
  } catch (cause) {
    throw new GatewayError(
      'upstream_protocol_error',
      'The model called a tool with arguments that are not a JSON object.',
      {
        cause,
      },
    );
  }
  if (!isObject(input)) {
    throw new GatewayError(
      'upstream_protocol_error',
      'The model called a tool with arguments that are not a JSON object.',
    );
  }
  return { type: 'tool_use', id, name, input, caller: { type: 'direct' } };
}
