import type {
  ServerToolUseBlock,
  TextBlock,
  ThinkingBlock,
  ToolUseBlock,
  WebSearchToolResultBlock,
} from '@anthropic-ai/sdk/resources/messages';
import type { ToolCallEvent } from '../../../chat/event.ts';
import { parseCallArguments } from '../../tool-calls.ts';

/**
 * A content block of an answer. The SDK's types have `citations: null` on a text, but Anthropic's API leaves the field
 * out, and the AI SDK refuses null.
 */
export type AnswerBlock =
  | Omit<TextBlock, 'citations'>
  | ThinkingBlock
  | ToolUseBlock
  | ServerToolUseBlock
  | WebSearchToolResultBlock;

export function toToolUse({ id, name, arguments: text }: ToolCallEvent): ToolUseBlock {
  return { type: 'tool_use', id, name, input: parseCallArguments(text), caller: { type: 'direct' } };
}
