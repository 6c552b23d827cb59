import { isObject } from '../../framing/json.ts';
import type { GenerationRequest } from '../request.ts';

/** Characters of a text that are compared: enough to distinguish conversations. */
const maxCharacters = 2_000;

/**
 * @returns the beginning of a request's prompt, the same for all requests of a conversation: the first system and the
 *   first user message, or the first characters of a text to be continued
 */
export function conversationOf(request: GenerationRequest): string {
  if (request.kind === 'completion') return `${request.model}\n${request.prompt.slice(0, maxCharacters)}`;
  const firstText = (role: string): string =>
    request.messages.find((message) => message.role === role)?.text.slice(0, maxCharacters) ?? '';
  return [request.model, firstText('system'), firstText('user')].join('\n');
}

/** @returns the same for a request body of any dialect; undefined when it has neither messages nor a prompt */
export function conversationIn(model: string, body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  const { messages, prompt } = body;
  if (typeof prompt === 'string') return `${model}\n${prompt.slice(0, maxCharacters)}`;
  if (!Array.isArray(messages)) return undefined;
  const firstJson = (role: string): string => {
    const first: unknown = messages.find((message) => isObject(message) && message['role'] === role);
    return JSON.stringify(first ?? '').slice(0, maxCharacters);
  };
  return [model, firstJson('system'), firstJson('user')].join('\n');
}
