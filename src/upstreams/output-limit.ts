import { type ContextSizes, GatewayError } from '../errors.ts';
import { contextError, isContextOverflow } from './context-overflow.ts';
import type { ParsedError } from './error-body.ts';

/**
 * Errors for a `max_tokens` that is more than the model ever generates: of OpenAI, Anthropic, Groq, DeepSeek, Alibaba and servers
 * that follow them. Each pattern finds the limit.
 */
const wordings: readonly RegExp[] = [
  /\bsupports at most (\d+) (?:completion|output) tokens/i,
  /\bmax_(?:completion_|output_)?tokens: \d+ > (\d+)/,
  /\bmax_(?:completion_|output_)?tokens\b.{0,60}\brange\b.{0,40}\[ *\d+ *, *(\d+) *\]/i,
  /\brange of max_(?:completion_|output_)?tokens should be \[ *\d+ *, *(\d+) *\]/i,
  /\bmax_(?:completion_|output_)?tokens`? must be (?:less than or equal to|at most|<=) `?(\d+)/i,
];

/** The place at which such errors repeat the requested number. */
const asked: readonly RegExp[] = [/\byou provided (\d+)/i, / too large: (\d+)/, /\bmax_\w*tokens: (\d+) > /];

/** @returns the error for a `max_tokens` beyond the model's limit; undefined for another error */
function outputLimitError(text: string): GatewayError | undefined {
  const maxOutput = firstNumber(text, wordings);
  if (maxOutput === undefined) return undefined;
  const output = firstNumber(text, asked);
  const sizes: ContextSizes = { maxOutput, ...(output !== undefined && { output }) };
  return new GatewayError('max_tokens_too_large', text, { param: 'max_tokens', sizes });
}

function firstNumber(text: string, patterns: readonly RegExp[]): number | undefined {
  for (const pattern of patterns) {
    const digits = pattern.exec(text)?.[1];
    if (digits !== undefined) return Number(digits);
  }
  return undefined;
}

/**
 * @param text the upstream's message, fit for clients
 * @returns the error for a request whose prompt or output is too long; undefined for another error
 */
export function sizeError(status: number, text: string, { code, sizes }: ParsedError): GatewayError | undefined {
  // Before the context: some name both.
  const beyondLimit = status === 400 ? outputLimitError(text) : undefined;
  return beyondLimit ?? (isContextOverflow(text, code) ? contextError(text, sizes) : undefined);
}
