import type { ErrorObject } from 'openai/resources/shared';
import type { ErrorFormat } from '../../chat/protocol.ts';
import type { ErrorCode, GatewayError } from '../../errors.ts';
import { sseData } from '../../framing/sse.ts';

/** OpenAI's code for an error, where it is not the gateway's own; null is what OpenAI sends with most 400s. */
const codes: Partial<Record<ErrorCode, string | null>> = {
  invalid_value: null,
  invalid_json: null,
  insufficient_scope: 'insufficient_permissions',
  max_tokens_too_large: 'context_length_exceeded',
};

function errorBody(error: GatewayError): { error: ErrorObject } {
  const { code, message, param = null } = error;
  const mapped = codes[code];
  return { error: { message, type: errorType(error), param, code: mapped === undefined ? code : mapped } };
}

/**
 * Errors as OpenAI's SDKs read them, in a JSON body or in a stream.
 *
 * @see https://platform.openai.com/docs/guides/error-codes
 */
export const openaiErrors = { body: errorBody } satisfies ErrorFormat;

/** @returns the event that ends a stream with an error */
export function errorEvent(error: GatewayError): string {
  return sseData(JSON.stringify(errorBody(error)));
}

function errorType({ code, status }: GatewayError): string {
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  // A 422, so that clients do not ask again, but no fault of the request's form.
  if (code === 'upstream_request_failed') return 'server_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
