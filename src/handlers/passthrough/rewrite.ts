import type { PassThroughRoute } from '../../chat/protocol.ts';
import type { JsonObject } from '../../chat/request.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { parseJson } from '../../http/request-body.ts';
import { type NativeRules, nativeRules } from '../../policy/native-rules.ts';
import { withTokenCap } from '../../policy/model-rules.ts';
import type { Services } from '../../services.ts';
import type { BackendKind } from '../../upstreams/index.ts';
import { requireModel, resolveModel } from '../steps/authorize.ts';

/** A route whose body names models. */
export type ModelRoute = PassThroughRoute & Required<Pick<PassThroughRoute, 'modelsNamed'>>;

export function namesModels(route: PassThroughRoute): route is ModelRoute {
  return route.modelsNamed !== undefined;
}

/** A body for an upstream that speaks the client's dialect. */
export interface RewrittenBody {
  /** The parsed body; undefined if it is not JSON. */
  readonly body: unknown;
  readonly bytes: Buffer;
}

interface PassedBody {
  readonly bytes: Buffer;
  readonly route: ModelRoute;
  readonly kind: BackendKind;
}

/**
 * Applies the operator's rules to a body that is passed on in the client's dialect. Without a rule the bytes stay the same.
 *
 * @returns undefined if policy must change something that this dialect has no rules for: the request is then translated
 * @throws {GatewayError} 403 for a model that the key may not use, 400 if policy depends on a body that is not JSON
 */
export async function rewriteBody(
  { bytes, route, kind }: PassedBody,
  services: Services,
  exchange: Exchange,
): Promise<RewrittenBody | undefined> {
  const body = readBodyFor(bytes, route, services, exchange);
  const named = route.modelsNamed(body);
  const models = await authorizeModels(named, services, exchange);
  const apply = nativeRules[kind];
  if (apply === undefined) {
    const [name = ''] = named;
    const isPlain = named.length === 1 && name !== '' && models.get(name) === name;
    if (!isPlain || needsTranslation(name, services, exchange) || route.asksMore?.(body) === true) return undefined;
    learnModel(name, services, exchange);
    return { body, bytes };
  }
  const resolved = { path: route.path, apply, models };
  const ruled = withRules(body, resolved, services, exchange);
  const sent = ruled ?? body;
  learnModel((ruled === undefined ? named : route.modelsNamed(ruled)).at(-1), services, exchange);
  if (ruled === undefined) return { body: sent, bytes };
  // Parsed once more, so that no number loses digits.
  const exact = withRules(parseExact(bytes.toString('utf8')), resolved, services, exchange);
  return { body: sent, bytes: Buffer.from(JSON.stringify(exact)) };
}

/** A body that is not JSON is the upstream's to refuse, unless keys, limits or rules depend on what it says. */
function readBodyFor(bytes: Buffer, route: ModelRoute, { rules }: Services, { key }: Exchange): unknown {
  const policyDepends =
    key?.models !== undefined || !rules.isIdle || route.asksMore !== undefined || route.outputTokens !== undefined;
  try {
    return parseJson(bytes);
  } catch (error) {
    if (policyDepends) throw error;
    return undefined;
  }
}

/** @returns the model that each name stands for. @throws {GatewayError} 403 for one that the key may not use */
async function authorizeModels(
  named: readonly string[],
  services: Services,
  exchange: Exchange,
): Promise<Map<string, string>> {
  const models = new Map<string, string>();
  for (const name of named.length > 0 ? named : ['']) {
    const model = await resolveModel(name, services);
    models.set(name, model);
    if (model !== '') requireModel(name, model, services, exchange);
  }
  return models;
}

/** True if a rule, a key or a setting asks for something that only the translation does. */
function needsTranslation(model: string, { config, rules }: Services, { key }: Exchange): boolean {
  const keyDecides = key !== undefined && (key.hideThinking || key.countsTokens || key.maxTokens !== undefined);
  return keyDecides || config.validate_json || rules.rule(model) !== undefined;
}

interface ResolvedRoute {
  readonly path: string;
  readonly apply: NativeRules;
  /** The model that each name in the body stands for. */
  readonly models: ReadonlyMap<string, string>;
}

/** @returns undefined if no rule changes the body */
function withRules(
  body: unknown,
  { path, apply, models }: ResolvedRoute,
  { rules }: Services,
  { key }: Exchange,
): JsonObject | undefined {
  if (!isObject(body)) return undefined;
  return apply(
    path,
    body,
    (name) => models.get(name) ?? rules.resolve(name),
    (model) => withTokenCap(rules.rule(model), key?.maxTokens),
  );
}

function learnModel(model: string | undefined, { pool }: Services, exchange: Exchange): void {
  exchange.model = model;
  if (model !== undefined) pool.models.discover(model);
}
