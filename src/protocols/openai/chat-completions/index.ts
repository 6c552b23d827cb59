import type { GenerationProtocol } from '../../../chat/contract.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { openaiError } from '../error.ts';
import { ChatCompletionEncoder } from './encoder.ts';
import type { ReasoningField } from './reasoning.ts';
import { readChatCompletion } from './request.ts';
import { toChatCompletion } from './response.ts';

/** `POST /v1/chat/completions`. @see https://platform.openai.com/docs/api-reference/chat */
export function chatCompletions(reasoningField: ReasoningField): GenerationProtocol {
  return {
    path: '/v1/chat/completions',
    idPrefix: 'chatcmpl-',
    contentType: sseContentType,
    errorBody: openaiError,
    read(body) {
      const { includeUsage, ...call } = readChatCompletion(body);
      return {
        ...call,
        encoder: (head) => new ChatCompletionEncoder(head, includeUsage, reasoningField),
        respond: (results, total, head) => toChatCompletion(results, total, head, reasoningField),
      };
    },
  };
}
