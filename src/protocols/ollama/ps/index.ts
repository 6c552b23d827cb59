import type { ResourceProtocol } from '../../../chat/protocol.ts';
import { ollamaErrors } from '../error.ts';

/** `GET /api/ps`. Other backends do not report their loaded models. @see https://docs.ollama.com/api/ps */
export const ps: ResourceProtocol = {
  method: 'GET',
  path: '/api/ps',
  errors: ollamaErrors,
  answer: () => ({ models: [] }),
};
