import type { Signal } from '../../cancellation.ts';
import { estimatedInputTokens, estimatedOutputTokens, promptCharacters } from '../../chat/estimate.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import type { UpstreamBody } from '../../upstreams/http/body.ts';
import { readError } from '../../upstreams/http/read.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { UpstreamServices } from '../../services.ts';
import type { Upstream } from '../../pool/upstream.ts';
import { type Demand, type ExchangeShare, acquireSlot, releaseAfterAnswer } from '../../pool/slots.ts';

/** An answer under way, and what it took to get it. */
export interface PendingAnswer extends Adaptations {
  readonly body: UpstreamBody;
}

/** What became of a request on its way. */
export interface Adaptations {
  /** Fields given up because the model cannot follow them. */
  readonly dropped: readonly string[];
  /** Whether the prompt did not fit and the operator lets it be cut. */
  readonly truncated: boolean;
}

/** Each adaptation gives something up, so there are few; this ends what would go round in circles. */
const maxAdaptations = 4;

/** What a request will take. */
export function demandOf(request: GenerationRequest): Demand {
  return {
    model: request.model,
    inputTokens: estimatedInputTokens(request),
    outputTokens: estimatedOutputTokens(request.sampling.maxTokens),
  };
}

/** A request to ask an upstream. */
interface SendOptions {
  readonly request: GenerationRequest;
  readonly demand: Demand;
  /** Whether a prompt longer than the context may be cut. */
  readonly mayTruncate: boolean;
}

/**
 * Asks the upstream when it is the request's turn, which lasts until the answer's body closes.
 *
 * @param part of the exchange that this request is: all of it, or one of several choices with a signal of their own
 * @throws {GatewayError} when the upstream fails or refuses for good, or there is no turn
 */
export async function send(
  { request, demand, mayTruncate }: SendOptions,
  services: UpstreamServices,
  exchange: Exchange,
  part: ExchangeShare = { fraction: 1, signal: exchange.signal },
): Promise<PendingAnswer> {
  const turn = await acquireSlot(exchange, demand, services, part);
  return await releaseAfterAnswer(turn, sendWithFallbacks(request, mayTruncate, services, part.signal));
}

/** What a model refuses is asked again in a form that it takes, before anything is generated. */
async function sendWithFallbacks(
  request: GenerationRequest,
  mayTruncate: boolean,
  { config, metrics, upstream }: UpstreamServices,
  signal: Signal,
): Promise<PendingAnswer> {
  const { backend, catalog, client } = upstream;
  const dropped: string[] = [];
  let asking = request;
  let truncated = false;
  for (let adaptations = 0; ; adaptations += 1) {
    const { path, body, dropped: unplaced } = backend.generation(asking);
    const headers = { 'content-type': 'application/json' };
    const answer = await client.send({ method: 'POST', path, headers, body: JSON.stringify(body), signal });
    if (answer.statusCode === 200) return { body: answer.body, dropped: [...dropped, ...unplaced], truncated };
    const refusal = await readError(answer, backend);
    if (adaptations === maxAdaptations) throw refusal;
    if (refusal.code === 'context_length_exceeded') {
      const cut = { ...asking, truncate: true };
      const refused = !mayTruncate || truncated || backend.generation(cut).dropped.includes('truncate');
      metrics.contextOverflow.inc({ model: catalog.label(asking.model), outcome: refused ? 'refused' : 'truncated' });
      if (refused) throw await withSizes(refusal, asking, upstream);
      truncated = true;
      asking = cut;
      continue;
    }
    const adaptation = backend.adapt(asking, refusal);
    if (adaptation === undefined || (config.strict && adaptation.dropped.length > 0)) throw refusal;
    asking = adaptation.request;
    dropped.push(...adaptation.dropped);
  }
}

/** Older servers say that a prompt is too long, but not how long, nor for what. */
async function withSizes(
  refusal: GatewayError,
  request: GenerationRequest,
  { catalog }: Upstream,
): Promise<GatewayError> {
  if ((refusal.message.match(/\d+/g) ?? []).length >= 2) return refusal;
  const context = await catalog.loadedContext(request.model);
  if (context === undefined) return refusal;
  const tokens = Math.max(estimatedInputTokens(request), context + 1);
  return new GatewayError(
    refusal.code,
    `The prompt is longer than the model's context of ${context} tokens: ` +
      `about ${tokens} tokens, estimated from its ${promptCharacters(request)} characters.`,
    { param: request.kind === 'chat' ? 'messages' : 'prompt' },
  );
}
