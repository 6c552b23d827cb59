import type { Signal } from '../../cancellation.ts';
import { estimatedInputTokens, estimatedOutputTokens, promptCharacters } from '../../chat/estimate.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { maySilentlyGenerate } from '../../chat/silence.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { type Demand, type ExchangeShare, acquireSlot, holdSlot } from '../../pool/slots.ts';
import type { UpstreamServices } from '../../services.ts';
import type { UpstreamBody } from '../../upstreams/http/body.ts';
import { readError } from '../../upstreams/http/read.ts';
import { withAskedOutput, withSizes } from './context-sizes.ts';
import {
  type ToolFallback,
  fallbackAfterRefusal,
  fallbackDropped,
  fallbackFor,
  hasTools,
  withFallback,
} from './tool-fallback.ts';

/** The changes to a request after which the upstream accepted it. */
export interface Adaptations {
  /** Fields that were removed because the model does not support them. */
  readonly dropped: readonly string[];
  /** True if the prompt did not fit and the operator allows it to be cut. */
  readonly truncated: boolean;
  /** The treatment of the tools, if the model takes none. */
  readonly tools: ToolFallback | undefined;
}

/** An answer that has started. */
interface StartedAnswer extends Adaptations {
  readonly body: UpstreamBody;
}

/** Each adaptation removes something, so there are few. This bound ends a loop between two of them. */
const maxAdaptations = 4;

export function demandOf(request: GenerationRequest): Demand {
  return {
    model: request.model,
    inputTokens: estimatedInputTokens(request),
    outputTokens: estimatedOutputTokens(request.sampling.maxTokens),
  };
}

interface SendOptions {
  readonly request: GenerationRequest;
  readonly demand: Demand;
  /** True if a prompt longer than the context may be cut. */
  readonly mayTruncate: boolean;
}

/**
 * Sends a request once it has a slot, and holds the slot until the answer's body closes.
 *
 * @param share the choice that this request is for
 * @throws {GatewayError} when there is no slot, or the upstream fails or refuses the request for good
 */
export async function send(
  { request, demand, mayTruncate }: SendOptions,
  services: UpstreamServices,
  exchange: Exchange,
  share: ExchangeShare,
): Promise<StartedAnswer> {
  const slot = await acquireSlot(exchange, demand, services, share);
  return await holdSlot(slot, sendWithFallbacks(request, mayTruncate, services, share.signal));
}

/** Sends a request, and what the model refuses once more in a form that it accepts, before anything is generated. */
async function sendWithFallbacks(
  original: GenerationRequest,
  mayTruncate: boolean,
  services: UpstreamServices,
  signal: Signal,
): Promise<StartedAnswer> {
  const { config, metrics, upstream } = services;
  const { backend, catalog, client } = upstream;
  const headers = { 'content-type': 'application/json' };
  const mayPause = maySilentlyGenerate(original);
  let tools = await fallbackFor(original, services);
  const dropped = [...fallbackDropped(original, tools)];
  let request = withFallback(original, tools);
  let truncated = false;
  for (let adaptations = 0; ; adaptations += 1) {
    const { path, body, dropped: unsupported } = backend.generation(request);
    const answer = await client.send({ method: 'POST', path, headers, body: JSON.stringify(body), signal, mayPause });
    if (answer.statusCode === 200) {
      return { body: answer.body, dropped: [...dropped, ...unsupported], truncated, tools };
    }
    const refusal = await readError(answer, backend);
    if (adaptations === maxAdaptations) throw refusal;
    if (refusal.code === 'context_length_exceeded') {
      const cut = { ...request, truncate: true };
      const mayCut = mayTruncate && !truncated && !backend.generation(cut).dropped.includes('truncate');
      metrics.contextOverflow.inc({ model: catalog.label(request.model), outcome: mayCut ? 'truncated' : 'refused' });
      if (!mayCut) throw await withSizes(refusal, longPrompt(request), upstream);
      truncated = true;
      request = cut;
      continue;
    }
    if (tools === undefined && hasTools(original) && backend.refusesTools(refusal)) {
      tools = fallbackAfterRefusal(original, services);
      dropped.push(...fallbackDropped(original, tools));
      request = withFallback(request, tools);
      continue;
    }
    const adaptation = backend.adapt(request, refusal);
    if (adaptation === undefined || (config.strict && adaptation.dropped.length > 0)) {
      throw withAskedOutput(refusal, request.sampling.maxTokens);
    }
    request = adaptation.request;
    dropped.push(...adaptation.dropped);
  }
}

function longPrompt(request: GenerationRequest): Parameters<typeof withSizes>[1] {
  const { model, options, kind } = request;
  return {
    model,
    options,
    characters: promptCharacters(request),
    tokens: estimatedInputTokens(request),
    param: kind === 'chat' ? 'messages' : 'prompt',
  };
}
