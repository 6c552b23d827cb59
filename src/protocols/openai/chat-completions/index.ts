import type { GenerationProtocol } from '../../../chat/protocol.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { openaiErrors } from '../error.ts';
import { ChatCompletionEncoder } from './encoder.ts';
import type { ReasoningField } from './reasoning.ts';
import { readChatCompletion } from './request.ts';
import { toChatCompletion } from './response.ts';

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
    droppable: [
      'audio',
      'function_call',
      'functions',
      'logit_bias',
      'messages.audio',
      'messages.content.file',
      'messages.content.image_url',
      'messages.content.image_url.detail',
      'messages.content.input_audio',
      'messages.name',
      'metadata',
      'modalities',
      'moderation',
      'prediction',
      'prompt_cache_key',
      'prompt_cache_retention',
      'reasoning_effort',
      'safety_identifier',
      'service_tier',
      'store',
      'stream_options.include_obfuscation',
      'tools.function.strict',
      'user',
      'verbosity',
      'web_search_options',
    ],
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
