import type { ResourceProtocol } from '../../../chat/protocol.ts';
import { ollamaErrors } from '../error.ts';

/** `GET /api/ps`: other backends do not tell what they have loaded. @see https://docs.ollama.com/api/ps */
export const ps: ResourceProtocol = {
  method: 'GET',
  path: '/api/ps',
  errors: ollamaErrors,
  answer: () => ({ models: [] }),
};
