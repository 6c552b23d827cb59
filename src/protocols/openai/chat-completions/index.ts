import type { ChatProtocol } from '../../../chat/contract.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { openaiError } from '../error.ts';
import { ChatCompletionEncoder } from './encoder.ts';
import type { ReasoningField } from './reasoning.ts';
import { readChatCompletion } from './request.ts';
import { toChatCompletion } from './response.ts';

/** `POST /v1/chat/completions`. @see https://platform.openai.com/docs/api-reference/chat */
export function chatCompletions(reasoningField: ReasoningField): ChatProtocol {
  return {
    path: '/v1/chat/completions',
    idPrefix: 'chatcmpl-',
    contentType: sseContentType,
    errorBody: openaiError,
    read(body) {
      const { request, stream, includeUsage } = readChatCompletion(body);
      return {
        request,
        stream,
        encoder: (head) => new ChatCompletionEncoder(head, includeUsage, reasoningField),
        respond: (result, head) => toChatCompletion(result, head, reasoningField),
      };
    },
  };
}
