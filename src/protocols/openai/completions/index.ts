import type { GenerationCall, GenerationProtocol } from '../../../chat/protocol.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { droppableNames } from '../../field-table.ts';
import { openaiErrors } from '../error.ts';
import { CompletionEncoder } from './encoder.ts';
import { textCompletionFields } from './fields.ts';
import { readCompletion } from './request.ts';
import { toCompletion } from './response.ts';

/** `POST /v1/completions`. @see https://platform.openai.com/docs/api-reference/completions */
export const completions = {
  path: '/v1/completions',
  idPrefix: 'cmpl-',
  contentType: sseContentType,
  errors: openaiErrors,
  droppable: droppableNames(textCompletionFields),
  read(body: unknown): GenerationCall {
    const { includeUsage, echo, ...call } = readCompletion(body);
    const echoes = echo ? call.requests.map(({ prompt }) => prompt) : [];
    return {
      ...call,
      encoder: (head) => new CompletionEncoder(head, includeUsage, echoes),
      respond: (results, total, head) => toCompletion(results, total, head, echoes),
    };
  },
} satisfies GenerationProtocol;
