import type { GenerationRequest } from './request.ts';
import type { HostedKind } from './search.ts';

/**
 * Adds a note about tools that the model does not have to the end of the system message. It depends on nothing but the kinds, so
 * that all requests of a conversation begin with the same prompt.
 *
 * @returns the request itself if nothing is missing, or if it is not a chat
 */
export function withMissingNote(request: GenerationRequest, missing: readonly HostedKind[]): GenerationRequest {
  if (request.kind !== 'chat' || missing.length === 0) return request;
  const text = noteOf(missing);
  const [first, ...others] = request.messages;
  if (first?.role !== 'system') return { ...request, messages: [{ role: 'system', text }, ...request.messages] };
  return {
    ...request,
    messages: [{ ...first, text: first.text === '' ? text : `${first.text}\n\n${text}` }, ...others],
  };
}

function noteOf(missing: readonly HostedKind[]): string {
  return (
    `Not available in this conversation: ${missing.join(', ')}. Never invent results of these. ` +
    'If one is needed, say that it is not available here.'
  );
}
