import type { Handler } from 'hono';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Env } from './respond.ts';
import type { Services } from './services.ts';

/** The process runs. */
export const healthz: Handler<Env> = (c) => c.json({ status: 'ok' });

/** The upstream answers, and the service is not about to stop. */
export function readyz({ exchanges, upstream }: Services): Handler<Env> {
  return async (c) => {
    if (exchanges.stopping) return c.json({ status: 'stopping' }, 503);
    try {
      await upstream.catalog.list();
      return c.json({ status: 'ready' });
    } catch {
      return c.json({ status: 'upstream does not answer', upstream: upstream.name }, 503);
    }
  };
}

/** The metrics in Prometheus' text format. */
export function exposition({ registry }: Metrics): () => Promise<Response> {
  return async () => new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } });
}

/** A listener's whole service: the metrics, to whoever reaches it. */
export function metricsOnly(metrics: Metrics): (request: Request) => Promise<Response> {
  const expose = exposition(metrics);
  return async (request) => {
    if (new URL(request.url).pathname === '/metrics') return await expose();
    return Response.json({ error: { message: 'Only /metrics is served here.' } }, { status: 404 });
  };
}
