import type { ResponseError } from 'openai/resources/responses/responses';
import type { GatewayError } from '../../../errors.ts';
import { openaiErrors } from '../error.ts';

/** What `response.failed` tells; its codes are a list of OpenAI's own. */
export function toResponseError({ status, code, message }: GatewayError): ResponseError {
  if (status === 429 || code === 'upstream_busy' || code === 'server_overloaded') {
    return { code: 'rate_limit_exceeded', message };
  }
  // Not on OpenAI's list, but what its servers send and agents know: they make the history shorter then.
  if (code === 'context_length_exceeded') return { code: code as 'invalid_prompt', message };
  return { code: status < 500 ? 'invalid_prompt' : 'server_error', message };
}

/** What the event `error` tells: the error as it is in a body, without the envelope. */
export function toErrorFields(error: GatewayError): { code: string | null; message: string; param: string | null } {
  const { code, message, param } = openaiErrors.body(error).error;
  return { code, message, param };
}
