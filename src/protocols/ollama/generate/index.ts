import type { GenerationProtocol } from '../../../chat/protocol.ts';
import { ollamaErrors } from '../error.ts';
import { droppable, fieldNames } from '../generation.ts';
import { idleAnswer } from '../idle.ts';
import { ndjsonContentType } from '../lines.ts';
import { generateEncoder } from './encoder.ts';
import { readGenerate } from './request.ts';
import { toGenerateResponse } from './response.ts';

/** `POST /api/generate`. @see https://docs.ollama.com/api/generate */
export const generate: GenerationProtocol = {
  path: '/api/generate',
  idPrefix: 'req_',
  contentType: ndjsonContentType,
  errors: ollamaErrors,
  fieldNames,
  droppable,
  read(body) {
    const { request, idle, ...call } = readGenerate(body);
    return {
      ...call,
      requests: [request],
      ...(idle && { ready: idleAnswer(request, { response: '' }) }),
      encoder: generateEncoder,
      respond: toGenerateResponse,
    };
  },
};
