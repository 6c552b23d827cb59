import type { GenerationProtocol } from '../../../chat/protocol.ts';
import { ollamaErrors } from '../error.ts';
import { droppable, fieldNames } from '../generation.ts';
import { idleAnswer } from '../idle.ts';
import { ndjsonContentType } from '../lines.ts';
import { chatEncoder } from './encoder.ts';
import { readChat } from './request.ts';
import { toChatResponse } from './response.ts';

/** `POST /api/chat`. @see https://docs.ollama.com/api/chat */
export const chat: GenerationProtocol = {
  path: '/api/chat',
  idPrefix: 'req_',
  contentType: ndjsonContentType,
  errors: ollamaErrors,
  fieldNames,
  droppable,
  read(body) {
    const { request, ...call } = readChat(body);
    return {
      ...call,
      requests: [request],
      ...(request.messages.length === 0 && {
        ready: idleAnswer(request, { message: { role: 'assistant', content: '' } }),
      }),
      encoder: chatEncoder,
      respond: toChatResponse,
    };
  },
};
