import type { ResponseError } from 'openai/resources/responses/responses';
import type { GatewayError } from '../../../errors.ts';
import { openaiErrors } from '../error.ts';

/** @returns the error of a `response.failed` event. Its codes are a list of OpenAI's own. */
export function toResponseError({ status, code, message }: GatewayError): ResponseError {
  if (status === 429 || code === 'upstream_busy' || code === 'server_overloaded') {
    return { code: 'rate_limit_exceeded', message };
  }
  // Not in OpenAI's list, but its servers send it, and agents that know it shorten the history.
  if (code === 'context_length_exceeded') return { code: code as 'invalid_prompt', message };
  return { code: status < 500 ? 'invalid_prompt' : 'server_error', message };
}

/** @returns the fields of an `error` event: those of an error in a JSON body, without its `type` */
export function toErrorFields(error: GatewayError): { code: string | null; message: string; param: string | null } {
  const { code, message, param } = openaiErrors.body(error).error;
  return { code, message, param };
}
