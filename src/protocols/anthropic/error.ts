import type { ErrorType } from '@anthropic-ai/sdk/resources/shared';
import type { ErrorFormat } from '../../chat/protocol.ts';
import type { GatewayError } from '../../errors.ts';

/** A `type: "error"` body or event. The SDK's types lack the type that goes with status 413. */
interface AnthropicError {
  readonly type: 'error';
  readonly error: { readonly type: ErrorType | 'request_too_large'; readonly message: string };
}

/**
 * Errors as Anthropic's SDKs read them, in a JSON body or in a stream. There is no `param`: the message contains the
 * field's name.
 *
 * @see https://platform.claude.com/docs/en/api/errors
 */
export const anthropicErrors: ErrorFormat = {
  body: (error): AnthropicError => ({ type: 'error', error: { type: errorType(error), message: messageOf(error) } }),
  // Anthropic's own status for an overloaded server.
  status: ({ status }) => (status === 503 ? 529 : status),
};

function errorType({ code, status }: GatewayError): AnthropicError['error']['type'] {
  // A 422, so that clients do not ask again, but no fault of the request's form.
  if (code === 'upstream_request_failed') return 'api_error';
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 408:
    case 504:
      return 'timeout_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}

/**
 * Claude Code recognises these words: at the first it shortens its conversation, at the second it lowers `max_tokens`.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/context-windows
 */
function messageOf({ code, message, param, sizes: { prompt, output, context } = {} }: GatewayError): string {
  if (code === 'context_length_exceeded') {
    const sizes = prompt === undefined || context === undefined ? message : `${prompt} tokens > ${context} maximum`;
    return `prompt is too long: ${sizes}`;
  }
  if (code === 'max_tokens_too_large' && output !== undefined && context !== undefined) {
    const sum = `${prompt ?? 1} + ${output} > ${context}`;
    return `input length and \`max_tokens\` exceed context limit: ${sum}, decrease input length or \`max_tokens\` and try again`;
  }
  return param === undefined || message.includes(param) ? message : `${param}: ${message}`;
}
