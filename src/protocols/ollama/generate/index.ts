import type { GenerationProtocol } from '../../../chat/protocol.ts';
import { droppableNames } from '../../field-table.ts';
import { ollamaErrors } from '../error.ts';
import { generateFields } from '../fields.ts';
import { fieldNames } from '../generation.ts';
import { LineEncoder, ndjsonContentType } from '../line-encoder.ts';
import { loadOnlyResponse } from '../load-only.ts';
import { readGenerate } from './request.ts';
import { toGenerateResponse } from './response.ts';

const textField = { before: '"response":', after: '' };

/** `POST /api/generate`. @see https://docs.ollama.com/api/generate */
export const generate: GenerationProtocol = {
  path: '/api/generate',
  idPrefix: 'req_',
  contentType: ndjsonContentType,
  errors: ollamaErrors,
  fieldNames,
  droppable: droppableNames(generateFields),
  read(body) {
    const { request, loadOnly, ...call } = readGenerate(body);
    return {
      ...call,
      requests: [request],
      ...(loadOnly && { ready: loadOnlyResponse(request, { response: '' }) }),
      encoder: (head) => new LineEncoder(head, textField),
      respond: toGenerateResponse,
    };
  },
};
