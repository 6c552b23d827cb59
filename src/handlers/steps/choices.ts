import type { Signal } from '../../cancellation.ts';
import type { ChatResult } from '../../chat/accumulator.ts';
import { withoutReasoning } from '../../chat/filters/event-filters.ts';
import { endAtRepetition } from '../../chat/filters/repetition.ts';
import { stopAt } from '../../chat/filters/stop-sequences.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import type { DecoderMaker } from '../../chat/stream.ts';
import { sumUsage } from '../../chat/sum-usage.ts';
import { splitThinkTags } from '../../chat/filters/think-tags.ts';
import { GatewayError } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { recordsIn } from '../../framing/records.ts';
import type { UpstreamServices } from '../../services.ts';
import { collect } from '../../streaming/collect.ts';
import { MergedBodies } from '../../streaming/merged-bodies.ts';
import type { PreparedCall } from './apply-rules.ts';
import { type Repeat, checksOf, withoutFaults } from './faulty-answers.ts';
import { type Adaptations, demandOf, send } from './send.ts';
import { withMendedCalls } from './tool-calls.ts';

/** The answers to all choices of a call, as they arrive. */
interface StartedChoices {
  readonly adaptations: Adaptations;
  readonly bodies: MergedBodies;
}

/**
 * Sends the request of every choice, and waits for the first to start: an upstream may serve one after the other. A choice
 * that fails later breaks the answer then.
 *
 * @throws {GatewayError} when a choice is refused before any has started
 */
export async function sendChoices(
  { requests, demands, mayTruncate }: PreparedCall,
  services: UpstreamServices,
  exchange: Exchange,
): Promise<StartedChoices> {
  const { signal, cancel } = requests.length === 1 ? onlyChoice(exchange) : severalChoices(exchange);
  const share = { fraction: 1 / requests.length, signal };
  const answers: ReturnType<typeof send>[] = [];
  for (const [choice, request] of requests.entries()) {
    const demand = demands[choice] ?? demandOf(request);
    answers.push(send({ request, demand, mayTruncate }, services, exchange, share));
  }
  for (const answer of answers) answer.catch(() => undefined);
  try {
    const adaptations = await Promise.race(answers);
    return {
      adaptations,
      bodies: new MergedBodies(answers, (bytes, pieces) => exchange.onChunk(recordsIn(bytes, pieces)), cancel),
    };
  } catch (error) {
    cancel();
    throw error;
  }
}

interface Cancellable {
  readonly signal: Signal;
  /** Cancels the choices that have not started. */
  readonly cancel: () => void;
}

/** If the only choice fails, there is nothing left to cancel. */
function onlyChoice({ attemptSignal }: Exchange): Cancellable {
  return { signal: attemptSignal, cancel: () => undefined };
}

function severalChoices({ attemptAbortSignal }: Exchange): Cancellable {
  const choices = new AbortController();
  return {
    signal: AbortSignal.any([attemptAbortSignal, choices.signal]),
    cancel: () => choices.abort(new GatewayError('upstream_error', 'The answer is no longer needed.')),
  };
}

/** Makes a decoder for each choice, with the filters for its events: tags of thinking, hidden thinking, and stop sequences that end it here. */
export function choiceDecoders(
  { requests, demands, stops, hideThinking, splitsThinkTags, endsRepetition }: PreparedCall,
  services: UpstreamServices,
  { adaptations, bodies }: StartedChoices,
): DecoderMaker[] {
  const { config, metrics, upstream } = services;
  const { backend } = upstream;
  const cut = (): void => {
    bodies.cut = true;
  };
  return requests.map((request, choice) => (emit) => {
    let filtered = withMendedCalls(emit, request, adaptations.tools, services);
    if (hideThinking) filtered = withoutReasoning(filtered);
    const ownStops = stops[choice] ?? [];
    const inputTokens = demands[choice]?.inputTokens ?? 0;
    if (ownStops.length > 0) filtered = stopAt(ownStops, inputTokens, filtered, cut);
    if (splitsThinkTags) filtered = splitThinkTags(filtered);
    if (!endsRepetition) return backend.decoder(request, filtered, config.limits.line);
    const onRepetition = (): void => {
      metrics.answers.repetitions.inc({ model: upstream.catalog.label(request.model), upstream: upstream.name });
      cut();
    };
    return backend.decoder(request, filtered, config.limits.line, (inner) =>
      endAtRepetition(inputTokens, inner, onRepetition),
    );
  });
}

/**
 * Collects the whole answer to every choice. A choice whose answer is faulty is requested again: once if it does not match its
 * schema, with `validatesJson`, and `repairs` times if its tool calls are wrong.
 *
 * @throws {GatewayError} when the upstream fails or stops before its answer is complete
 */
export async function collectChoices(
  call: PreparedCall,
  services: UpstreamServices,
  exchange: Exchange,
): Promise<{ adaptations: Adaptations; results: readonly ChatResult[] }> {
  const started = await sendChoices(call, services, exchange);
  const { adaptations } = started;
  let results: readonly ChatResult[] = await collectStarted(started, call, services, exchange);
  for (const check of checksOf(call, services)) {
    const repeat: Repeat = async (request, choice) => await collectOne(call, { request, choice }, services, exchange);
    results = await withoutFaults(results, call.requests, check, { repeat, exchange });
  }
  return { adaptations, results };
}

/** Requests the answer to one choice. */
async function collectOne(
  call: PreparedCall,
  { request, choice }: { readonly request: GenerationRequest; readonly choice: number },
  services: UpstreamServices,
  exchange: Exchange,
): Promise<ChatResult> {
  const single = {
    ...call,
    requests: [request],
    demands: [demandOf(request)],
    stops: [call.stops[choice] ?? []],
  } as const;
  const started = await sendChoices(single, services, exchange);
  const [result] = await collectStarted(started, single, services, exchange);
  if (result === undefined) throw new GatewayError('upstream_incomplete', 'The upstream sent no answer.');
  return result;
}

async function collectStarted(
  started: StartedChoices,
  call: PreparedCall,
  services: UpstreamServices,
  exchange: Exchange,
): Promise<ChatResult[]> {
  const decoders = choiceDecoders(call, services, started);
  const results = await collect(started.bodies, decoders, services.config.limits.body, () => exchange.forgetChunks());
  exchange.addUsage(sumUsage(results));
  return results;
}
