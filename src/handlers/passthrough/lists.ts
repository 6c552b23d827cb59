import type { PassThroughRoute } from '../../chat/protocol.ts';
import type { JsonObject } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { type RequestHandler, sendJson } from '../../http/respond.ts';
import { type Key, mayUse } from '../../policy/keys.ts';
import { allUpstreamsDown } from '../../pool/all-down.ts';
import { detailsDeadline } from '../../pool/models/model-catalog.ts';
import type { Services } from '../../services.ts';
import { askUpstream } from '../../upstreams/http/read.ts';

/**
 * Merges the lists of all Ollama servers that are up. A model that several servers have is listed once for each digest.
 *
 * @throws {GatewayError} the first server's error if none answers in time; 503 `upstream_down` if none is up
 */
export function mergedListHandler({ path }: PassThroughRoute, { pool }: Services): RequestHandler {
  const question = { method: 'GET', path, read: modelsIn } as const;
  const ollamas = pool.upstreams.filter(({ kind }) => kind === 'ollama');
  return async (c) => {
    const { key } = c.get('exchange');
    const lists = await Promise.allSettled(
      ollamas
        .filter(({ health }) => health.retryInMs === 0)
        // With a deadline, so that a server that hangs does not hide the others.
        .map(async ({ backend, client }) => await askUpstream(client, backend, question, detailsDeadline)),
    );
    const [first] = lists;
    if (first === undefined) throw allUpstreamsDown(ollamas.map(({ health }) => health.retryInMs));
    const answered = lists.filter((list) => list.status === 'fulfilled');
    if (answered.length === 0 && first.status === 'rejected') throw first.reason;
    const models = answered.flatMap(({ value }) => value);
    const unique = new Map(models.map((model) => [`${String(model['name'])} ${String(model['digest'])}`, model]));
    const usable = [...unique.values()].filter(({ name }) => key === undefined || mayUse(key, String(name)));
    return sendJson(c, 200, { models: usable });
  };
}

/** @returns a list without the models that the key may not use */
export function listedFor(key: Key, list: unknown): object {
  const models = modelsIn(list).filter(({ name }) => mayUse(key, String(name)));
  return { ...(list as object), models };
}

function modelsIn(list: unknown): JsonObject[] {
  if (!isObject(list) || !Array.isArray(list['models'])) {
    throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
  }
  return list['models'].filter(isObject);
}
