import type { VersionResponse } from 'ollama';
import type { ResourceProtocol } from '../../../chat/protocol.ts';
import { ollamaErrors } from '../error.ts';

/** The Ollama whose API is implemented. Clients request the version to learn what they may send. */
const implementedVersion = '0.17.4';

/** `GET /api/version`. @see https://docs.ollama.com/api-reference/get-version */
export const versionEndpoint: ResourceProtocol = {
  method: 'GET',
  path: '/api/version',
  errors: ollamaErrors,
  answer: () => ({ version: implementedVersion }) satisfies VersionResponse,
};

/** `GET /`, with which clients check that an Ollama is running. */
export const rootEndpoint: ResourceProtocol = {
  method: 'GET',
  path: '/',
  errors: ollamaErrors,
  answer: () => 'Ollama is running',
};
