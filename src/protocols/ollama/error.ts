import type { GatewayError } from '../../errors.ts';

/** An error as Ollama's clients read it: text, not an object. */
export function ollamaError(error: GatewayError): { error: string } {
  return { error: error.message };
}
