import { isObject } from '../framing/json.ts';
import type { GenerationRequest } from './request.ts';

/** Characters of a text that tell conversations apart. */
const enough = 2_000;

/** How a prompt begins, which is the same for all requests of a conversation: its first messages, or the first of its text. */
export function conversationOf(request: GenerationRequest): string {
  if (request.kind === 'completion') return `${request.model}\n${request.prompt.slice(0, enough)}`;
  const first = (role: string): string =>
    request.messages.find((one) => one.role === role)?.text.slice(0, enough) ?? '';
  return [request.model, first('system'), first('user')].join('\n');
}

/** The same of a request body, whatever its dialect. */
export function conversationIn(model: string, body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  const { messages, prompt } = body;
  if (typeof prompt === 'string') return `${model}\n${prompt.slice(0, enough)}`;
  if (!Array.isArray(messages)) return undefined;
  const first = (role: string): unknown => messages.find((one) => isObject(one) && one['role'] === role);
  return [model, ...[first('system'), first('user')].map((one) => JSON.stringify(one ?? '').slice(0, enough))].join(
    '\n',
  );
}
