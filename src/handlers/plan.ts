import type { Context } from 'hono';
import type { GatewayError } from '../errors.ts';
import type { BodyHandler } from '../http/request-body.ts';
import type { Target } from '../pool/pool.ts';
import type { ResponseStream } from '../streaming/response-stream.ts';
import { type Env, sendFlow, sendJson, sendStream } from '../http/respond.ts';
import type { Services } from '../services.ts';
import type { Upstream } from '../pool/upstream.ts';
import { patiently } from '../streaming/heartbeat.ts';

type Headers = Record<string, string>;

/** An answer that is sent as it comes. */
export interface Streamed {
  readonly status: number;
  readonly headers: Headers;
  readonly flow: ResponseStream;
}

/** An answer in one piece. */
export interface Whole {
  readonly json: object;
  readonly headers: Headers;
}

interface Asking<Answer> {
  readonly wanted: Target;
  /** Resolves when there is something of an answer; may be called again with another upstream where it failed before. */
  readonly ask: (upstream: Upstream) => Promise<Answer>;
}

interface OfSse extends Asking<Streamed> {
  /** The headers as far as they are known before there is an answer, and how the stream tells of an error. */
  readonly sse: { readonly headers: Headers; readonly failure: (error: GatewayError) => string };
}

/** A request that was read and let in, and how an upstream answers it. */
export type Plan = OfSse | (Asking<Streamed | Whole> & { readonly sse?: never });

/** Reads a request. @returns an answer where there is nothing to ask. @throws {GatewayError} */
export type Planner = (c: Context<Env>, body: Buffer) => Promise<Plan | Response>;

/** Answers requests as they are planned. @throws {GatewayError} of the last upstream that was asked */
export function carryingOut(planner: Planner, { config, pool }: Services): BodyHandler {
  const { silence, total } = config.timeouts;
  return async (c, body) => {
    const plan = await planner(c, body);
    if (plan instanceof Response) return plan;
    const exchange = c.get('exchange');
    exchange.startTotalTimer(total);
    if (plan.sse === undefined) {
      const answer = await pool.send(exchange, plan.wanted, plan.ask);
      if ('json' in answer) return sendJson(c, 200, answer.json, answer.headers);
      return sendFlow(c, answer.status, answer.flow, answer.headers);
    }
    const { headers: known, failure } = plan.sse;
    const begun = await patiently(exchange, silence, {
      begin: async () => await pool.send(exchange, plan.wanted, plan.ask),
      late: (answer) => added(known, answer.headers),
      failure,
    });
    if ('flow' in begun) return sendFlow(c, begun.status, begun.flow, begun.headers);
    return sendStream(c, begun.stream, known);
  };
}

/** What more headers say, or say otherwise. */
function added(before: Headers, after: Headers): Headers {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value));
}
