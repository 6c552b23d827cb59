import type { GenerationProtocol } from '../../../chat/protocol.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { droppableNames } from '../../field-table.ts';
import { openaiErrors } from '../error.ts';
import { ChatCompletionEncoder } from './encoder.ts';
import { chatCompletionFields } from './fields.ts';
import type { ReasoningField } from './reasoning.ts';
import { readChatCompletion } from './request.ts';
import { toChatCompletion } from './response.ts';

/** Fields that are read, but that a model or a server may have no use for. */
const reportedByServers = ['messages.content.image_url', 'messages.reasoning_content', 'reasoning_effort'];

/**
 * `POST /v1/chat/completions`.
 *
 * @param reasoningField the fields in which answers carry the model's thinking
 * @see https://platform.openai.com/docs/api-reference/chat
 */
export function chatCompletions(reasoningField: ReasoningField): GenerationProtocol {
  return {
    path: '/v1/chat/completions',
    idPrefix: 'chatcmpl-',
    contentType: sseContentType,
    errors: openaiErrors,
    droppable: [...droppableNames(chatCompletionFields), ...reportedByServers],
    read(body, _owner, _quota, canSearch) {
      const { includeUsage, usesFunctions, customTools, ...call } = readChatCompletion(body, canSearch);
      const shape = { reasoningField, usesFunctions, customTools };
      return {
        ...call,
        encoder: (head) => new ChatCompletionEncoder(head, includeUsage, shape),
        respond: (results, total, head) => toChatCompletion(results, total, head, shape),
      };
    },
  };
}
