import { constraintOf } from '../../chat/constraint.ts';
import type { GenerationCall } from '../../chat/protocol.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { withAllowedKeepAlive } from '../../policy/keep-alive.ts';
import { type ModelRule, applyRule, endsRepetition, withTokenCap } from '../../policy/model-rules.ts';
import { type Demand, sumDemands } from '../../pool/slots.ts';
import { checkSchema } from '../../schema/json-schema.ts';
import type { Services } from '../../services.ts';
import { prepareMessages } from './attachments.ts';
import { authorizeModel, reserveTokens } from './authorize.ts';
import { rejectDroppedFields } from './dropped-fields.ts';
import { spelledFields } from './field-names.ts';
import { demandOf } from './send.ts';
import { hasTools } from './tool-fallback.ts';

type Requests = readonly [GenerationRequest, ...GenerationRequest[]];

/** A call with the operator's rules applied, ready to be sent. */
export interface PreparedCall {
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  /** One for each choice. */
  readonly requests: Requests;
  /** The estimated tokens of each choice. */
  readonly demands: readonly Demand[];
  readonly hideThinking: boolean;
  /** True if a `<think>` block at the beginning of the content is the thinking. */
  readonly splitsThinkTags: boolean;
  /** True if a whole answer must match its schema. */
  readonly validatesJson: boolean;
  /** True if a prompt longer than the context may be cut. */
  readonly mayTruncate: boolean;
  /** For each choice the stop sequences that end it here instead of at the upstream. */
  readonly stops: readonly (readonly string[])[];
  /** True if an answer that repeats itself is ended. */
  readonly endsRepetition: boolean;
  /** Number of times that the model is asked again if its tool calls are wrong. */
  readonly repairs: number;
}

/** Every token is compared with each stop sequence and with the beginnings of each. */
const maxStops = 64;
/** Characters of one stop sequence. */
const maxStopLength = 256;

/**
 * Applies the operator's rules to a call: who may use the model and how much, what its name stands for, and its options.
 *
 * @throws {GatewayError} 400, 403 or 429
 */
export async function applyRules(call: GenerationCall, services: Services, exchange: Exchange): Promise<PreparedCall> {
  const { config, rules, pool } = services;
  const [asked] = call.requests;
  const model = await authorizeModel(asked.model, services, exchange);
  if (call.requests.length > config.limits.choices) {
    throw invalidValue('n', `A request may ask for at most ${config.limits.choices} choices.`);
  }
  // Each choice is sent in a body of its own.
  exchange.admitted?.hold(exchange.admitted.bytes * (call.requests.length - 1));
  if (typeof asked.format === 'object') checkSchema(asked.format, 'response_format');
  const rule = withTokenCap(rules.rule(model), exchange.key?.maxTokens);
  const countsOnly = call.countsOnly === true;
  const allowed = (request: GenerationRequest): GenerationRequest =>
    withAllowedKeepAlive(request, { key: exchange.key, rule });
  const own = allowed(asked);
  const shaped = [
    shape(own, model, rule, countsOnly),
    ...call.requests.slice(1).map((request) => shape(allowed(request), model, rule, countsOnly)),
  ] as const;
  pool.backendFor(model).check?.(shaped[0]);
  const demands = shaped.map(demandOf);
  // Before images are fetched, so that a request over a limit fetches none.
  if (call.ready === undefined) await reserveTokens(exchange, sumDemands(demands), services);
  const { requests, dropped: leftOut } = await prepareMessages(shaped, services, exchange);
  const dropped = [...call.dropped, ...leftOut, ...(own === asked ? [] : ['keep_alive'])];
  if (config.strict) {
    // A field that only a rule of the operator sets is not the client's to leave out.
    const { dropped: unsent } = pool.backendFor(model).generation(withMessagesOf(requests[0], asked));
    rejectDroppedFields([...dropped, ...spelledFields(unsent, call)]);
  }
  return {
    dropped,
    // The text of documents makes prompts longer.
    demands: requests[0] === shaped[0] ? demands : requests.map(demandOf),
    ...(call.reportsStop === true ? withStopsHere(requests) : { requests, stops: [] }),
    hideThinking: call.hideThinking === true || exchange.key?.hideThinking === true || rule?.hide_thinking === true,
    ...answerRules(rule, requests[0], config),
    endsRepetition: endsRepetition(rule, constraintOf(requests[0])),
  };
}

/** @returns the settings of a rule for answers */
function answerRules(
  rule: ModelRule | undefined,
  request: GenerationRequest,
  { validate_json: validatesJson }: Services['config'],
): Pick<PreparedCall, 'splitsThinkTags' | 'validatesJson' | 'mayTruncate' | 'repairs'> {
  return {
    splitsThinkTags: rule?.think_tags === 'split',
    validatesJson: rule?.validate_json ?? validatesJson,
    repairs: hasTools(request) ? (rule?.repair_tools ?? 0) : 0,
    mayTruncate: rule?.on_overflow === 'truncate',
  };
}

/** @param countsOnly makes the answer one token long, whatever the operator pinned */
function shape(
  request: GenerationRequest,
  model: string,
  rule: ModelRule | undefined,
  countsOnly: boolean,
): GenerationRequest {
  const resolved = { ...request, model };
  const ruled = rule === undefined ? resolved : applyRule(resolved, rule);
  return countsOnly ? { ...ruled, sampling: { ...ruled.sampling, maxTokens: 1 } } : ruled;
}

/** The client's own request, with the fetched images. */
function withMessagesOf(fetched: GenerationRequest, request: GenerationRequest): GenerationRequest {
  return fetched.kind === 'chat' && request.kind === 'chat' ? { ...request, messages: fetched.messages } : request;
}

/** Takes the stop sequences out of requests, because few upstreams report which of them ended an answer. */
function withStopsHere([first, ...others]: Requests): Pick<PreparedCall, 'requests' | 'stops'> {
  const stops = [first, ...others].map(({ sampling }) => sampling.stop ?? []);
  if (stops.some(({ length }) => length > maxStops)) {
    throw invalidValue('stop', `A request may have at most ${maxStops} stop sequences.`);
  }
  if (stops.flat().some(({ length }) => length > maxStopLength)) {
    throw invalidValue('stop', `A stop sequence may have at most ${maxStopLength} characters.`);
  }
  return { requests: [withoutStop(first), ...others.map(withoutStop)], stops };
}

function withoutStop(request: GenerationRequest): GenerationRequest {
  const { stop: _, ...sampling } = request.sampling;
  return { ...request, sampling };
}
