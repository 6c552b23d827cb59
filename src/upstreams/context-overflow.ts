import { type ContextSizes, GatewayError } from '../errors.ts';

/**
 * Errors for a request that is longer than the model's context: of Ollama and its cloud, llama.cpp, vLLM, SGLang, TGI, LM
 * Studio, OpenAI, Anthropic, Mistral, Gemini and others.
 */
const wordings: readonly RegExp[] = [
  /\bcontext[ _]?(length|size|window|limit)\b.{0,200}(exceed|overflow|\bonly\b|less than|too (long|large))/i,
  /(exceed|longer than|larger than|greater than|too (long|large)|\bmax(imum)?\b|reached|\bfit).{0,200}\bcontext[ _]?(length|size|window|limit)\b/i,
  /\b(prompt|inputs?|messages)\b(?!.{0,80}\b(image|file|bytes)\b).{0,80}\btoo (long|large)\b/i,
  /\btoo many (input )?tokens\b/i,
  /\b(prompt|input|tokens?)\b.{0,80}\bexceed(s|ed)? (the |max|limit|model)/i,
  /\bexceed(s|ed)? (the )?model('s)? token limit\b/i,
  /\bmaximum (model|prompt|sequence|input) length\b/i,
  /\bmax_tokens must be at least 1, got -\d+/,
  /`?inputs`? (tokens \+ `?max_new_tokens`? )?must (be <=|have less than)/,
  /\brange of input length should be\b/i,
  /\b(exceeds?|exceeded|longer than|larger than|greater than)\b.{0,80}\b(max_(seq|model|input|total|num_\w*token)\w*|session_len|seq_len|n_ctx)\b/i,
  /\b(exceeds?|longer than|larger than|greater than|fit in(to)?) the context\b/i,
  /\bContextWindowExceeded|\binput_length_error\b/i,
  /\breduce (the )?(length of )?(the |your )?(messages|prompt|input)\b/i,
];

const codes: ReadonlySet<string> = new Set([
  'context_length_exceeded',
  'context_window_exceeded',
  'exceed_context_size_error',
  'string_above_max_length',
]);

/** @param code the error's own code or type */
export function isContextOverflow(text: string, code = ''): boolean {
  return codes.has(code) || wordings.some((wording) => wording.test(text));
}

const promptSizes: readonly RegExp[] = [
  /(\d+) (?:tokens )?(?:in the messages|in your prompt|from the input messages|of text input|input tokens|`inputs` tokens)/,
  /(?:request|input|input prompt|input length|prompt|input token count) \((?:length )?(\d+)(?: tokens)?\)/i,
  /(?:request|prompt|input) (?:contains|has) (?:at least )?(\d+) (?:input )?tokens/i,
  /too long: (\d+)(?: tokens|,)/,
  /token count of (\d+)/,
  /given: (\d+)/i,
  /requested tokens \((\d+)\)/i,
  /first (\d+) tokens/,
  /context limit: (\d+) \+/,
  /total of (?:at least )?(\d+) tokens/,
  /requested (?:about )?(\d+) tokens/,
];
const outputSizes: readonly RegExp[] = [
  /(\d+) (?:tokens )?(?:in the completion|for the completion|output tokens|in the output|`max_new_tokens`)/,
  /max_(?:completion_)?tokens\b.{0,40} too large: (\d+)/,
  /context limit: \d+ \+ (\d+)/,
];
const contextSizes: readonly RegExp[] = [
  /(?:maximum|max) (?:context|prompt|model|sequence) (?:length|size|window) ?(?:is|of|\(|:)? ?(\d+)/i,
  /context (?:length|size|window|limit) (?:of |is )?(?:only )?\(?(\d+)/i,
  /(\d+) maximum context length/,
  /(?:must be <=|have less than|exceeds? (?:the )?limit of|tokens allowed \(|token limit:) ?(\d+)/,
  /tokens? > (\d+)/,
  /\d \+ \d+ > (\d+)/,
  /\bbatch size: (\d+)/,
];

function firstNumber(text: string, patterns: readonly RegExp[]): number | undefined {
  for (const pattern of patterns) {
    const digits = pattern.exec(text)?.[1];
    if (digits !== undefined) return Number(digits);
  }
  return undefined;
}

type PossibleSizes = { readonly [Size in keyof ContextSizes]: ContextSizes[Size] | undefined };

function sizesIn(message: string): PossibleSizes {
  const text = message.replace(/(\d),(?=\d{3}\b)/g, '$1');
  return {
    prompt: firstNumber(text, promptSizes),
    output: firstNumber(text, outputSizes),
    context: firstNumber(text, contextSizes),
    excess: firstNumber(text, [/context length by (\d+) tokens/]),
  };
}

function defined(sizes: PossibleSizes): ContextSizes {
  return Object.fromEntries(Object.entries(sizes).filter(([, size]) => size !== undefined));
}

/**
 * The error for a request that does not fit into the context. A prompt that would fit with a shorter answer is an error of its
 * own, so that the client lowers its limit instead of shortening the conversation.
 *
 * @param text the upstream's message, fit for clients
 * @param reported the sizes that the upstream reports in fields
 */
export function contextError(text: string, reported: ContextSizes = {}): GatewayError {
  const sizes = defined({ ...sizesIn(text), ...defined(reported) });
  const { prompt, output, context } = sizes;
  if (context !== undefined && output !== undefined && output > 0) {
    const promptFits = prompt === undefined ? output >= context : prompt < context;
    if (promptFits) return new GatewayError('max_tokens_too_large', text, { param: 'max_tokens', sizes });
  }
  return new GatewayError('context_length_exceeded', text || "The prompt is longer than the model's context.", {
    sizes,
  });
}
