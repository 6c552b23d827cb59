import type { ErrorType } from '@anthropic-ai/sdk/resources/shared';
import type { ErrorFormat } from '../../chat/protocol.ts';
import type { GatewayError } from '../../errors.ts';
import { isImageFault, messageOf } from './error-message.ts';

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
  status(error) {
    if (isImageFault(error)) return 400;
    // Anthropic's own status for an overloaded server.
    return error.status === 503 ? 529 : error.status;
  },
};

function errorType(error: GatewayError): AnthropicError['error']['type'] {
  const { code, status } = error;
  if (isImageFault(error)) return 'invalid_request_error';
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
