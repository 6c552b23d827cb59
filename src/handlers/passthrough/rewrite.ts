import type { PassThroughRoute } from '../../chat/protocol.ts';
import type { JsonObject } from '../../chat/request.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { nativeRules } from '../../policy/native-rules.ts';
import { withTokenCap } from '../../policy/model-rules.ts';
import { parseJson } from '../../http/request-body.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { resolveModel, requireModel } from '../steps/apply-rules.ts';
import type { BackendKind } from '../../upstreams/index.ts';
import type { Services } from '../../services.ts';

/** A route whose body names models. */
export type ModelRoute = PassThroughRoute & Required<Pick<PassThroughRoute, 'modelsNamed'>>;

/** A body on its way to an upstream of its own dialect. */
interface RewrittenBody {
  /** What it says to the upstream, as far as it could be read. */
  readonly body: unknown;
  readonly forwarded: Buffer;
}

/**
 * The body to send on.
 *
 * @returns undefined where policy has to change what cannot be changed as it is
 * @throws {GatewayError} 403, and 400 where policy has to know
 */
export async function rewriteBody(
  exchange: Exchange,
  bytes: Buffer,
  route: ModelRoute,
  kind: BackendKind,
  services: Services,
): Promise<RewrittenBody | undefined> {
  const { config, rules, pool } = services;
  const { modelsNamed } = route;
  const { key } = exchange;
  const maxTokens = key?.maxTokens;
  const decides =
    key?.models !== undefined || !rules.isIdle || route.asksMore !== undefined || route.outputTokens !== undefined;
  const body = readLeniently(bytes, decides);
  const named = modelsNamed(body);
  const models = new Map<string, string>();
  for (const name of named.length > 0 ? named : ['']) {
    const model = await resolveModel(name, services);
    models.set(name, model);
    if (model !== '') requireModel(name, model, services, exchange);
  }
  const learn = (model: string | undefined): void => {
    exchange.model = model;
    if (model !== undefined) pool.models.discover(model);
  };
  const shape = nativeRules[kind];
  if (shape === undefined) {
    const [name = ''] = named;
    const plain = named.length === 1 && name !== '' && models.get(name) === name && rules.rule(name) === undefined;
    const idle = key === undefined || !(key.hideThinking || key.countsTokens || maxTokens !== undefined);
    if (!plain || !idle || config.validate_json || route.asksMore?.(body) === true) return undefined;
    learn(name);
    return { body, forwarded: bytes };
  }
  const shaped = (whole: unknown): JsonObject | undefined =>
    isObject(whole)
      ? shape(
          route.path,
          whole,
          (name) => models.get(name) ?? rules.resolve(name),
          (model) => withTokenCap(rules.rule(model), maxTokens),
        )
      : undefined;
  const changed = shaped(body);
  learn((changed === undefined ? named : modelsNamed(changed)).at(-1));
  // Parsed once more, so that no number loses digits; only where something changes.
  const forwarded =
    changed === undefined ? bytes : Buffer.from(JSON.stringify(shaped(parseExact(bytes.toString('utf8')))));
  return { body: changed ?? body, forwarded };
}

/** What is not JSON is the backend's to refuse, unless limits, turns or rules depend on what it says. */
function readLeniently(body: Buffer, strict: boolean): unknown {
  try {
    return parseJson(body);
  } catch (error) {
    if (strict) throw error;
    return undefined;
  }
}
