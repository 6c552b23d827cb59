import { estimatedInputTokens } from '../../../chat/estimate.ts';
import type { AnswerHead, GenerationProtocol } from '../../../chat/protocol.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { droppableNames } from '../../field-table.ts';
import { anthropicErrors } from '../error.ts';
import { emptyAnswer, forOneToken, withoutOutput } from './cache-warming.ts';
import { MessageEncoder } from './encoder.ts';
import { messagesFields } from './fields.ts';
import { readMessageRequest, readTokenCountRequest } from './request.ts';
import { toEmptyMessage, toMessage, toTokenCount } from './response.ts';

const common = {
  idPrefix: 'msg_',
  contentType: sseContentType,
  errors: anthropicErrors,
  fieldNames: {
    'messages.content.image_url': 'messages.content.image',
    reasoning_effort: 'thinking',
    response_format: 'output_config.format',
    stop: 'stop_sequences',
  },
  droppable: [...droppableNames(messagesFields), 'messages.content.document', 'messages.content.redacted_thinking'],
} as const;

/** `POST /v1/messages`. @see https://platform.claude.com/docs/en/api/messages */
export const messages: GenerationProtocol = {
  ...common,
  path: '/v1/messages',
  read(body, _owner, _quota, canSearch) {
    const call = readMessageRequest(body, canSearch);
    const { omitsThinking = false, requests } = call;
    const encoder = (head: AnswerHead): MessageEncoder =>
      new MessageEncoder(head, estimatedInputTokens(requests[0]), omitsThinking);
    if (call.warmsCache === true) {
      return {
        ...call,
        showsNothing: true,
        requests: [forOneToken(requests[0])],
        encoder: (head) => emptyAnswer(encoder(head)),
        respond: (_results, total, head) => toEmptyMessage(withoutOutput(total), head),
      };
    }
    return {
      ...call,
      answersMissingSearch: true,
      hideThinking: call.hideThinking && !omitsThinking,
      encoder,
      respond: (results, total, head) => toMessage(results, total, head, omitsThinking),
    };
  },
};

/**
 * `POST /v1/messages/count_tokens`. For an exact count it generates one token, because the count is then the model's own.
 *
 * @see https://platform.claude.com/docs/en/api/messages-count-tokens
 */
export const countTokens: GenerationProtocol = {
  ...common,
  path: '/v1/messages/count_tokens',
  read(body, _owner, _quota, canSearch) {
    const call = readTokenCountRequest(body, canSearch);
    return {
      ...call,
      countsOnly: true,
      // Never streamed.
      encoder: (head) => new MessageEncoder(head, 0),
      respond: (_results, total) => toTokenCount(total, call.requests[0]),
    };
  },
};
