import type { ErrorFormat } from '../../chat/protocol.ts';
import type { GatewayError } from '../../errors.ts';

/** The body of an error of Google's APIs. @see https://google.aip.dev/193 */
export interface GoogleError {
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly status: string;
    readonly details: readonly ErrorDetail[];
  };
}

interface ErrorDetail {
  readonly '@type': string;
  readonly [field: string]: unknown;
}

export const googleErrors: ErrorFormat = {
  body: (error): GoogleError => ({
    error: {
      code: error.status,
      message: messageOf(error),
      status: statusName(error),
      details: detailsOf(error),
    },
  }),
};

/** @see https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
function statusName({ status }: GatewayError): string {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'PERMISSION_DENIED';
    case 404:
      return 'NOT_FOUND';
    case 405:
      return 'UNIMPLEMENTED';
    case 408:
    case 504:
      return 'DEADLINE_EXCEEDED';
    case 429:
      return 'RESOURCE_EXHAUSTED';
    case 499:
      return 'CANCELLED';
    case 502:
    case 503:
      return 'UNAVAILABLE';
    default:
      return status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL';
  }
}

/** Gemini CLI waits as long as `RetryInfo` says. */
function detailsOf({ code, param, retryAfter }: GatewayError): ErrorDetail[] {
  const type = 'type.googleapis.com/google.rpc';
  return [
    { '@type': `${type}.ErrorInfo`, reason: code.toUpperCase(), domain: 'llamaduct' },
    ...(param === undefined ? [] : [{ '@type': `${type}.BadRequest`, fieldViolations: [{ field: param }] }]),
    ...(retryAfter === undefined ? [] : [{ '@type': `${type}.RetryInfo`, retryDelay: `${retryAfter}s` }]),
  ];
}

function messageOf({ code, message, param, sizes: { prompt, context } = {} }: GatewayError): string {
  if (code === 'context_length_exceeded' && prompt !== undefined && context !== undefined) {
    return `The input token count (${prompt}) exceeds the maximum number of tokens allowed (${context}).`;
  }
  return param === undefined || message.includes(param) ? message : `${param}: ${message}`;
}
