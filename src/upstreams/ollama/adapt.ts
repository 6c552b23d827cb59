import type { Adaptation } from '../../chat/backend.ts';
import type { GenerationRequest, Think } from '../../chat/request.ts';
import type { GatewayError } from '../../errors.ts';
import { withToolsInPrompt } from './forced-tool-calls.ts';

/**
 * What to ask a model that refused a request for what it cannot do. The server itself says what that is, before it
 * generates anything; a table of models would be wrong with the next one.
 */
export function adapt(request: GenerationRequest, { status, message }: GatewayError): Adaptation | undefined {
  if (status !== 400) return undefined;
  const { think, ...withoutThink } = request;
  if (think !== undefined && /does not support thinking/.test(message)) {
    return { request: withoutThink, dropped: think === false ? [] : ['reasoning_effort'] };
  }
  if (typeof think === 'string' && /think value/.test(message)) {
    return { request: { ...request, think: easier(think) }, dropped: [] };
  }
  if (request.kind === 'chat' && /does not support tools/.test(message)) {
    const { tools, toolChoice } = request;
    if (tools === undefined || toolChoice === undefined) return undefined;
    return { request: withToolsInPrompt(request, tools, toolChoice), dropped: [] };
  }
  return undefined;
}

/** Not every server knows the highest level, and not every model knows levels at all. */
function easier(think: Exclude<Think, boolean>): Think {
  return think === 'max' ? 'high' : true;
}
