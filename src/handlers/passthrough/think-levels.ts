import type { JsonObject, Think } from '../../chat/request.ts';
import { isThinkWord, thinkOf } from '../../chat/think-words.ts';
import type { GatewayError } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { foldedName, isObject, parseExact } from '../../framing/json.ts';
import type { Upstream } from '../../pool/upstream.ts';
import type { UpstreamServices } from '../../services.ts';
import type { UpstreamAnswer } from '../../upstreams/http/body.ts';
import type { UpstreamRequest } from '../../upstreams/http/client.ts';
import { readError } from '../../upstreams/http/read.ts';

interface ThinkAnswer {
  readonly answer: UpstreamAnswer;
  /** The error that was read from the answer; absent for an answer that was not read. */
  readonly refusal?: GatewayError;
}

/**
 * Sends a request that is passed on. A value of `think` that Ollama or its model refuses is replaced by the nearest one that
 * it takes, because clients such as LiteLLM send a level, or true, to every model.
 *
 * @returns the refusal too if it is about something else, or if strict mode forbids to do without thinking
 * @throws {GatewayError} when the upstream fails
 */
export async function sendAdaptingThink(
  request: UpstreamRequest,
  services: UpstreamServices,
  exchange: Exchange,
): Promise<ThinkAnswer> {
  const { upstream, config, droppedFields } = services;
  const answer = await upstream.client.send(request);
  const asked = answer.statusCode === 400 && upstream.kind === 'ollama' ? thinkIn(request) : undefined;
  if (asked === undefined) return { answer };
  const refusal = await readError(answer, upstream.backend);
  const next = /think/.test(refusal.message) ? nextThink(asked, refusal, upstream) : undefined;
  if (next === undefined || (next.isDropped && config.strict)) return { answer, refusal };
  if (next.isDropped) Object.assign(exchange.headers, droppedFields.headers(['think']));
  return await sendAdaptingThink(withThink(request, next.think), services, exchange);
}

/** @returns undefined for anything but a text or true */
function thinkIn(request: UpstreamRequest): string | true | undefined {
  const think = Object.entries(bodyOf(request)).find(([name]) => foldedName(name) === 'think')?.[1];
  return typeof think === 'string' || think === true ? think : undefined;
}

interface NextThink {
  /** Absent: thinking is left to the model. */
  readonly think: Think | undefined;
  /** True if the model does without what the client asked for. */
  readonly isDropped: boolean;
}

/** @returns undefined when nothing else can help */
function nextThink(asked: string | true, refusal: GatewayError, { backend }: Upstream): NextThink | undefined {
  const meant = asked === true ? asked : thinkOf(asked);
  if (meant !== asked) return { think: meant, isDropped: asked !== true && !isThinkWord(asked) };
  const adaptation = backend.adapt({ kind: 'completion', model: '', prompt: '', sampling: {}, think: asked }, refusal);
  return adaptation && { think: adaptation.request.think, isDropped: adaptation.dropped.length > 0 };
}

/** Ollama ignores the case of names, so every spelling of the field is replaced. */
function withThink(request: UpstreamRequest, think: Think | undefined): UpstreamRequest {
  const others = Object.entries(bodyOf(request)).filter(([name]) => foldedName(name) !== 'think');
  const body = Object.fromEntries(think === undefined ? others : [...others, ['think', think]]);
  return { ...request, body: Buffer.from(JSON.stringify(body)) };
}

function bodyOf({ body }: UpstreamRequest): JsonObject {
  if (!Buffer.isBuffer(body)) return {};
  try {
    const parsed = parseExact(body.toString('utf8'));
    return isObject(parsed) ? parsed : {};
  } catch {
    // The server refuses it in its own words.
    return {};
  }
}
