import type { JsonObject } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { exactNumber } from '../../framing/json.ts';
import type { Upstream } from '../../pool/upstream.ts';

/** A prompt that was refused because it is longer than the context. */
interface LongPrompt {
  readonly model: string;
  readonly options: JsonObject | undefined;
  readonly characters: number;
  /** The estimated number of its tokens. */
  readonly tokens: number;
  /** The request's field that holds it. */
  readonly param: string;
}

/**
 * @param options the options of a request, with the operator's
 * @returns the context of a model in tokens: as it is loaded, else as it would be; undefined if nothing says it
 */
export async function contextOf(
  model: string,
  options: JsonObject | undefined,
  { catalog }: Pick<Upstream, 'catalog'>,
): Promise<number | undefined> {
  const loaded = await catalog.loadedContext(model);
  if (loaded !== undefined) return loaded;
  const asked = exactNumber(options?.['num_ctx']);
  if (asked !== undefined && asked > 0) return asked;
  const { configuredContext, contextLength } = await catalog.details(model);
  return configuredContext ?? contextLength;
}

/** Adds the sizes of prompt and context to an error, for servers that do not report them. */
export async function withSizes(
  refusal: GatewayError,
  prompt: LongPrompt,
  upstream: Pick<Upstream, 'catalog'>,
): Promise<GatewayError> {
  const { sizes = {}, message } = refusal;
  const { param } = prompt;
  if (sizes.prompt !== undefined && sizes.context !== undefined) {
    if (message.includes(String(sizes.prompt)) && message.includes(String(sizes.context))) return refusal.about(param);
    return sized(sizes.prompt, sizes.context, `${sizes.prompt} tokens`, param);
  }
  const context = sizes.context ?? (await contextOf(prompt.model, prompt.options, upstream));
  if (context === undefined) return refusal.about(param);
  const counted = sizes.prompt ?? (sizes.excess === undefined ? undefined : context + sizes.excess);
  // The server runs the model with less than the context that it lists.
  if (counted !== undefined && counted <= context) return refusal.about(param);
  if (counted !== undefined) return sized(counted, context, `${counted} tokens`, param);
  const tokens = Math.max(prompt.tokens, context + 1);
  return sized(tokens, context, `about ${tokens} tokens, estimated from its ${prompt.characters} characters`, param);
}

function sized(prompt: number, context: number, length: string, param: string): GatewayError {
  const message = `The prompt is longer than the model's context of ${context} tokens: ${length}.`;
  return new GatewayError('context_length_exceeded', message, { param, sizes: { prompt, context } });
}

/** Adds the output that a request asks for to an error about its length, for servers that do not repeat it. */
export function withAskedOutput(refusal: GatewayError, output: number | undefined): GatewayError {
  const { code, message, sizes, param = 'max_tokens' } = refusal;
  const isComplete = code !== 'max_tokens_too_large' || sizes?.output !== undefined || output === undefined;
  return isComplete ? refusal : new GatewayError(code, message, { param, sizes: { ...sizes, output } });
}
