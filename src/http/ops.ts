import type { Context } from 'hono';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Cors } from './cors.ts';
import type { PageCheck } from './page-check.ts';
import { type Env, type Handler, plainHeaders, sendText } from './respond.ts';
import type { Services } from '../services.ts';

/** Answers 200 while the process runs. */
export function healthz(cors: Cors): Handler {
  return (c) => sendStatus(c, cors, 200, { status: 'ok' });
}

/** Milliseconds for an upstream to answer: less than Kubernetes and load balancers wait for readiness. */
const reachDeadline = 4_000;

/** Requests that may wait at a time. Anybody can send them. */
const maxWaiting = 100;

/** Answers 200 if an upstream answers and the service is not about to stop. */
export function readyz({ exchanges, pool }: Services, cors: Cors): Handler {
  let waiting = 0;
  return async (c) => {
    if (exchanges.draining) return sendStatus(c, cors, 503, { status: 'stopping' });
    if (waiting >= maxWaiting) return sendStatus(c, cors, 503, { status: 'too many requests for /readyz' });
    waiting += 1;
    try {
      await pool.models.reach(reachDeadline);
      return sendStatus(c, cors, 200, { status: 'ready' });
    } catch {
      const upstreams = pool.upstreams.map(({ name }) => name);
      return sendStatus(c, cors, 503, { status: 'no upstream answers', upstreams });
    } finally {
      waiting -= 1;
    }
  };
}

/** Answers with the metrics in Prometheus' text format. */
export function exposition(metrics: Metrics): Handler {
  return async (c) => sendText(c, await metrics.exposition(), metrics.registry.contentType);
}

/** A status is not an exchange: it has no log line, no metric and no id. */
function sendStatus(c: Context<Env>, cors: Cors, status: 200 | 503, body: object): Response {
  return c.json(body, status, { ...plainHeaders, ...cors(c.req.header('origin')) });
}

/** Serves the metrics, and nothing else, to everybody who reaches the listener, except web pages. */
export function metricsOnly(metrics: Metrics, checkPage: PageCheck): (request: Request) => Promise<Response> {
  return async (request) => {
    const refusal = checkPage((name) => request.headers.get(name) ?? undefined);
    if (refusal !== undefined) return sendMessage(refusal.status, refusal.message);
    if (new URL(request.url).pathname !== '/metrics') return sendMessage(404, 'Only /metrics is served here.');
    const headers = { ...plainHeaders, 'content-type': metrics.registry.contentType };
    return new Response(await metrics.exposition(), { headers });
  };
}

function sendMessage(status: number, message: string): Response {
  return Response.json({ error: { message } }, { status, headers: plainHeaders });
}
