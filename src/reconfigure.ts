import { isDeepStrictEqual } from 'node:util';
import type { Config, UpstreamConfig } from './config/schema.ts';
import type { RetiredUpstreams } from './pool/retired-upstreams.ts';
import type { Upstream } from './pool/upstream.ts';
import type { Services } from './services.ts';
import { type Wiring, createUpstream, poolOptions, queueOptions } from './upstream-wiring.ts';
import { createImageFetcher, createPdfExtractor, createSearcher } from './wiring.ts';

/**
 * Applies a new configuration to running services: to the upstreams, the queues, and the limits of all requests.
 *
 * @returns the services for new requests; those under way keep the ones that they began with
 */
export function reconfigure(services: Services, config: Config, wiring: Wiring, retired: RetiredUpstreams): Services {
  const { config: before } = wiring;
  wiring.config = config;
  updateUpstreams(services, before, wiring, retired);
  services.admission.use(config.limits);
  // The texts that were extracted are kept.
  const keepsDocuments = isDeepStrictEqual(before.documents, config.documents);
  const documents = keepsDocuments ? services.documents : createPdfExtractor(config);
  const search = createSearcher(config, wiring.metrics);
  return { ...services, config, documents, images: createImageFetcher(config), search };
}

function updateUpstreams({ pool, rules }: Services, before: Config, wiring: Wiring, retired: RetiredUpstreams): void {
  const { config, logger } = wiring;
  const running = pool.upstreams;
  const keptOrNew = (next: UpstreamConfig): Upstream => {
    const known = running.find(({ name }) => name === next.name);
    const former = before.upstreams.find(({ name }) => name === next.name);
    if (known !== undefined && former !== undefined && isSameServer(former, next)) {
      return updateUpstream(known, next, config);
    }
    logger.info({ upstream: next.name, kind: next.kind }, 'upstream added');
    return createUpstream(next, wiring);
  };
  const [first, ...others] = config.upstreams;
  const upstreams = [keptOrNew(first), ...others.map(keptOrNew)] as const;
  pool.use(upstreams, poolOptions(wiring, rules));
  for (const upstream of running.filter((one) => !upstreams.includes(one))) retire(upstream, wiring, retired);
}

/** A server with another address is another server; one that gets or loses its queue begins anew as well. */
function isSameServer(before: UpstreamConfig, after: UpstreamConfig): boolean {
  const keepsQueue = (before.parallel === undefined) === (after.parallel === undefined);
  return before.kind === after.kind && before.url === after.url && keepsQueue;
}

function updateUpstream(upstream: Upstream, next: UpstreamConfig, config: Config): Upstream {
  const { parallel } = next;
  upstream.weight = next.weight ?? 1;
  upstream.client.use(next, config.timeouts);
  upstream.health.use(config.health);
  upstream.modelHealth.use(config.health);
  if (parallel !== undefined) upstream.queue?.use(queueOptions({ ...next, parallel }, config.queue));
  return upstream;
}

function retire(upstream: Upstream, { config, logger, metrics }: Wiring, retired: RetiredUpstreams): void {
  const { name, outstanding } = upstream;
  logger.info({ upstream: name, outstanding }, 'upstream removed: it completes its requests');
  const successor = config.upstreams.find((other) => other.name === name);
  if (successor?.parallel === undefined) metrics.queues.delete(name);
  for (const model of upstream.modelHealth.ejected) metrics.modelEjected.remove({ upstream: name, model });
  retired.add(upstream);
}
