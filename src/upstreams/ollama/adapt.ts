import type { Adaptation } from '../../chat/backend.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import type { GatewayError } from '../../errors.ts';

/**
 * Adapts a request that a model refused because of something that it does not support. The server says what that is before
 * it generates anything; a table of models would be wrong with the next model.
 *
 * @param refusal the server's error
 * @returns the request to send instead; undefined when nothing else can help
 */
export function adapt(request: GenerationRequest, { status, message }: GatewayError): Adaptation | undefined {
  if (status !== 400) return undefined;
  for (const [pattern, adapted] of adaptations) {
    const adaptation = pattern.test(message) ? adapted(request) : undefined;
    if (adaptation !== undefined) return adaptation;
  }
  return undefined;
}

/** By the text of the server's error. */
const adaptations: readonly (readonly [RegExp, (request: GenerationRequest) => Adaptation | undefined])[] = [
  [/does not support thinking/, withoutThinking],
  [/think value/, withCommonThinking],
];

function withoutThinking({ think, ...rest }: GenerationRequest): Adaptation | undefined {
  if (think === undefined) return undefined;
  return { request: rest, dropped: think === false ? [] : ['reasoning_effort'] };
}

/** Not every server knows the highest level, and not every model knows levels. */
function withCommonThinking(request: GenerationRequest): Adaptation | undefined {
  const { think } = request;
  if (typeof think !== 'string') return undefined;
  return { request: { ...request, think: think === 'max' ? 'high' : true }, dropped: [] };
}

/** True for a model whose template has no place for tools. */
export function refusesTools({ message }: GatewayError): boolean {
  return /does not support tools/.test(message);
}
