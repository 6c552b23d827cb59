import type { GenerationProtocol } from '../../../chat/protocol.ts';
import { droppableNames } from '../../field-table.ts';
import { ollamaErrors } from '../error.ts';
import { chatFields } from '../fields.ts';
import { fieldNames } from '../generation.ts';
import { LineEncoder, ndjsonContentType } from '../line-encoder.ts';
import { loadOnlyResponse } from '../load-only.ts';
import { readChat } from './request.ts';
import { toChatResponse } from './response.ts';

const textField = { before: '"message":{"role":"assistant","content":', after: '}' };

/** `POST /api/chat`. @see https://docs.ollama.com/api/chat */
export const chat: GenerationProtocol = {
  path: '/api/chat',
  idPrefix: 'req_',
  contentType: ndjsonContentType,
  errors: ollamaErrors,
  fieldNames,
  droppable: droppableNames(chatFields),
  read(body) {
    const { request, ...call } = readChat(body);
    return {
      ...call,
      requests: [request],
      ...(request.messages.length === 0 && {
        ready: loadOnlyResponse(request, { message: { role: 'assistant', content: '' } }),
      }),
      encoder: (head) => new LineEncoder(head, textField),
      respond: toChatResponse,
    };
  },
};
