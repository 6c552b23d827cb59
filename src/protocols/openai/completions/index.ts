import type { GenerationProtocol } from '../../../chat/contract.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { openaiError } from '../error.ts';
import { CompletionEncoder } from './encoder.ts';
import { readCompletion } from './request.ts';
import { toCompletion } from './response.ts';

/** `POST /v1/completions`. @see https://platform.openai.com/docs/api-reference/completions */
export const completions: GenerationProtocol = {
  path: '/v1/completions',
  idPrefix: 'cmpl-',
  contentType: sseContentType,
  errorBody: openaiError,
  read(body) {
    const { includeUsage, echo, ...call } = readCompletion(body);
    const echoes = echo ? call.requests.map(({ prompt }) => prompt) : [];
    return {
      ...call,
      encoder: (head) => new CompletionEncoder(head, includeUsage, echoes),
      respond: (results, total, head) => toCompletion(results, total, head, echoes),
    };
  },
};
