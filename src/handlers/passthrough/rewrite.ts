import type { PassThroughRoute } from '../../chat/protocol.ts';
import type { JsonObject } from '../../chat/request.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { foldedName, isObject } from '../../framing/json.ts';
import { parseJson } from '../../http/request-body.ts';
import { ignoresKeepAlive } from '../../policy/keep-alive.ts';
import { type NativeRules, nativeRules } from '../../policy/native-rules.ts';
import { withTokenCap } from '../../policy/model-rules.ts';
import type { Services } from '../../services.ts';
import type { BackendKind } from '../../upstreams/index.ts';
import { requireModel, resolveModel } from '../steps/authorize.ts';
import { changesTools } from '../steps/tool-fallback.ts';
import { changeBytes } from './exact-bytes.ts';
import { hasOneReading } from './one-reading.ts';

/** A route whose body names models. */
export type ModelRoute = PassThroughRoute & Required<Pick<PassThroughRoute, 'modelsIn'>>;

export function namesModels(route: PassThroughRoute): route is ModelRoute {
  return route.modelsIn !== undefined;
}

/** A body for an upstream that speaks the client's dialect. */
export interface RewrittenBody {
  /** The parsed body; undefined if it is not JSON. */
  readonly body: unknown;
  readonly bytes: Buffer;
  /** True when the answer must not contain the model's thinking. */
  readonly hideThinking: boolean;
  /** True when a `<think>` block at the beginning of the content is the thinking. */
  readonly splitsThinkTags: boolean;
  /** Fields that the server does not get. */
  readonly dropped: readonly string[];
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
 * @throws {GatewayError} 403 for a model that the key may not use, 400 if policy depends on a body that is not JSON or has a
 *   field twice
 */
export async function rewriteBody(
  { bytes, route, kind }: PassedBody,
  services: Services,
  exchange: Exchange,
): Promise<RewrittenBody | undefined> {
  const body = readBodyFor(bytes, route, services, exchange);
  const named = route.modelsIn(body);
  const models = await authorizeModels(named, services, exchange);
  const mayStay = body === undefined || hasOneReading(bytes, body, policyDepends(route, services, exchange));
  if (mustTranslate(body, [...models.values()], route, services)) return undefined;
  const apply = nativeRules[kind];
  if (apply === undefined) {
    const [name = ''] = named;
    const isPlain = named.length === 1 && name !== '' && models.get(name) === name && mayStay;
    if (!isPlain || needsTranslation(name, services, exchange) || route.needsGateway?.(body) === true) return undefined;
    if (lacksTools(name, body, route, services)) return undefined;
    learnModel(name, services, exchange);
    return { ...withMendedHistory(body, bytes, route), hideThinking: false, splitsThinkTags: false, dropped: [] };
  }
  return withNativeRules({ body, bytes, mayStay }, route, { path: route.path, apply, models }, { services, exchange });
}

/** True for a body that cannot be passed on, whichever server gets it. */
function mustTranslate(body: unknown, models: readonly string[], route: ModelRoute, services: Services): boolean {
  if (hasChangedTools(body, models, services) || mustSearch(body, route, services)) return true;
  return route.hasOddHistory?.(body) === true;
}

/** True for a body that asks for a web search, if this server has one. */
function mustSearch(body: unknown, { asksForSearch }: ModelRoute, { search }: Services): boolean {
  return search !== undefined && asksForSearch?.(body) === true;
}

/** True for a body with tools for a model that has refused them on one of the servers. */
function lacksTools(model: string, body: unknown, { readTools }: ModelRoute, { pool }: Services): boolean {
  if (!isObject(body) || body['tools'] === undefined || readTools === undefined) return false;
  return pool.upstreams.some(({ toolSupport }) => toolSupport.lacks(model));
}

/** True if a rule changes the tools of a body. */
function hasChangedTools(body: unknown, models: readonly string[], { rules }: Services): boolean {
  return models.some((model) => changesTools(body, rules.rule(model)));
}

function withMendedHistory(
  body: unknown,
  bytes: Buffer,
  { mendHistory }: ModelRoute,
): Pick<RewrittenBody, 'body' | 'bytes'> {
  const mended = isObject(body) ? mendHistory?.(body) : undefined;
  if (mended === undefined) return { body, bytes };
  return { body: mended, bytes: changeBytes(bytes, (exact) => mendHistory?.(exact as JsonObject) ?? exact) };
}

interface ReadBody {
  readonly body: unknown;
  readonly bytes: Buffer;
  /** True if the upstream reads the bytes in the same way as policy did. */
  readonly mayStay: boolean;
}

function withNativeRules(
  { body, bytes, mayStay }: ReadBody,
  { modelsIn }: ModelRoute,
  resolved: ResolvedRoute,
  { services, exchange }: { readonly services: Services; readonly exchange: Exchange },
): RewrittenBody {
  const ruled = withRules(body, resolved, services, exchange);
  const sent = ruled ?? body;
  const [model] = modelsIn(sent);
  learnModel(model, services, exchange);
  const rule = services.rules.rule(model ?? '');
  const hideThinking = exchange.key?.hideThinking === true || rule?.hide_thinking === true;
  const dropsKeepAlive = ignoresKeepAlive(keepAliveIn(sent), { key: exchange.key, rule });
  const common = {
    body: sent,
    hideThinking,
    splitsThinkTags: rule?.think_tags === 'split',
    dropped: dropsKeepAlive ? ['keep_alive'] : [],
  };
  if (ruled === undefined && mayStay && !dropsKeepAlive) return { ...common, bytes };
  const changed = changeBytes(bytes, (exact) => {
    const rewritten = withRules(exact, resolved, services, exchange) ?? exact;
    return dropsKeepAlive ? withoutKeepAlive(rewritten) : rewritten;
  });
  return { ...common, bytes: changed };
}

/** Ollama ignores the case of field names. */
function isKeepAlive(field: string): boolean {
  return foldedName(field) === 'keep_alive';
}

function keepAliveIn(body: unknown): unknown {
  return isObject(body) ? Object.entries(body).find(([field]) => isKeepAlive(field))?.[1] : undefined;
}

function withoutKeepAlive(body: unknown): unknown {
  return isObject(body) ? Object.fromEntries(Object.entries(body).filter(([field]) => !isKeepAlive(field))) : body;
}

/** A body that is not JSON is the upstream's to refuse, unless keys, limits or rules depend on what it says. */
function readBodyFor(bytes: Buffer, route: ModelRoute, services: Services, exchange: Exchange): unknown {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (policyDepends(route, services, exchange) || route.outputTokens !== undefined) throw error;
    return undefined;
  }
}

/** True when a key, a limit or a rule depends on more of a body than its model. */
function policyDepends(route: ModelRoute, { rules }: Services, { key }: Exchange): boolean {
  if (!rules.isIdle || route.needsGateway !== undefined) return true;
  if (key === undefined) return false;
  const { models, maxTokens, hideThinking, limitSubjects } = key;
  return (models ?? maxTokens) !== undefined || hideThinking || limitSubjects.length > 0;
}

/** @returns the model that each name stands for. @throws {GatewayError} 403 for one that the key may not use */
async function authorizeModels(
  named: readonly string[],
  services: Services,
  exchange: Exchange,
): Promise<Map<string, string>> {
  const models = new Map<string, string>();
  for (const name of named.length > 0 ? named : ['']) {
    const resolved = await resolveModel(name, services);
    models.set(name, resolved.model);
    if (resolved.model !== '') requireModel(resolved, services, exchange);
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
    (name) => models.get(name) ?? '',
    (model) => withTokenCap(rules.rule(model), key?.maxTokens),
  );
}

function learnModel(model: string | undefined, { pool }: Services, exchange: Exchange): void {
  exchange.model = model;
  if (model !== undefined) pool.models.discover(model);
}
