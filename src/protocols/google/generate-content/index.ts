import { estimatedInputTokens } from '../../../chat/estimate.ts';
import type { GenerationCall, GenerationProtocol } from '../../../chat/protocol.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { droppableNames } from '../../field-table.ts';
import { googleErrors } from '../error.ts';
import { ArrayEncoder, EventEncoder } from './encoder.ts';
import { generateContentFields } from './fields.ts';
import { type ParsedContent, readGenerateContent, readTokenCount } from './request.ts';
import { toContentResponse } from './response.ts';

const jsonContentType = 'application/json; charset=utf-8';

const common = {
  idPrefix: 'resp_',
  errors: googleErrors,
  fieldNames: {
    'contents.parts.file': 'contents.parts.inlineData',
    'contents.parts.thinking': 'contents.parts.thought',
    'contents.parts.tool_use': 'contents.parts.functionCall',
    'messages.content.image_url': 'contents.parts.inlineData',
    messages: 'contents',
    n: 'generationConfig.candidateCount',
    max_tokens: 'generationConfig.maxOutputTokens',
    reasoning_effort: 'generationConfig.thinkingConfig',
    thinking_budget: 'generationConfig.thinkingConfig.thinkingBudget',
    response_format: 'generationConfig.responseSchema',
    stop: 'generationConfig.stopSequences',
    tool_choice: 'toolConfig.functionCallingConfig',
  },
  droppable: droppableNames(generateContentFields),
} as const;

/** `POST /v1beta/models/{model}:generateContent`. @see https://ai.google.dev/api/generate-content */
export const generateContent: GenerationProtocol = {
  ...common,
  path: '/v1beta/generateContent',
  contentType: jsonContentType,
  read: (body, _owner, _quota, canSearch) => ({
    ...readGenerateContent(body, canSearch),
    stream: false,
    // Never streamed.
    encoder: (head) => new ArrayEncoder(head),
    respond: toContentResponse,
  }),
};

/** `POST /v1beta/models/{model}:streamGenerateContent?alt=sse`. */
export const streamGenerateContent: GenerationProtocol = {
  ...common,
  path: '/v1beta/streamGenerateContent',
  contentType: sseContentType,
  read: (body, _owner, _quota, canSearch) => streamed(readGenerateContent(body, canSearch), EventEncoder),
};

/** The same endpoint without `alt=sse`, which streams an array. */
export const streamGenerateContentArray: GenerationProtocol = {
  ...common,
  path: '/v1beta/streamGenerateContent/array',
  contentType: jsonContentType,
  read: (body, _owner, _quota, canSearch) => streamed(readGenerateContent(body, canSearch), ArrayEncoder),
};

/** `POST /v1beta/models/{model}:countTokens`. @see https://ai.google.dev/api/tokens */
export const countGeminiTokens: GenerationProtocol = {
  ...common,
  path: '/v1beta/countTokens',
  contentType: jsonContentType,
  read(body, _owner, _quota, canSearch) {
    const call = readTokenCount(body, canSearch);
    return {
      ...call,
      stream: false,
      countsOnly: true,
      // Never streamed.
      encoder: (head) => new ArrayEncoder(head),
      respond: (_results, { usage }) => ({ totalTokens: usage.inputTokens || estimatedInputTokens(call.requests[0]) }),
    };
  },
};

function streamed(call: ParsedContent, Encoder: typeof EventEncoder | typeof ArrayEncoder): GenerationCall {
  return {
    ...call,
    stream: true,
    encoder: (head) => new Encoder(head, call.hosted?.search !== undefined),
    respond: toContentResponse,
  };
}
