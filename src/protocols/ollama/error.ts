import type { ErrorFormat } from '../../chat/protocol.ts';
import type { GatewayError } from '../../errors.ts';
import { jsonLine } from '../../framing/json.ts';

/** Errors as Ollama's clients read them: `error` is a text, not an object. */
export const ollamaErrors = { body: (error) => ({ error: error.message }) } satisfies ErrorFormat;

/** @returns the line that ends a stream with an error */
export function errorLine(error: GatewayError): string {
  return `${jsonLine(ollamaErrors.body(error))}\n`;
}
