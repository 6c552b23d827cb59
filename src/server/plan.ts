import type { Context } from 'hono';
import type { GatewayError } from '../errors.ts';
import type { BodyHandler } from './body.ts';
import type { Wanted } from './fleet.ts';
import { type Env, sendJson, sendStream } from './respond.ts';
import type { Services } from './services.ts';
import type { Upstream } from './upstream.ts';
import { patiently } from './waiting.ts';

type Headers = Record<string, string>;

/** An answer that is sent as it comes. */
export interface Streamed {
  readonly status: number;
  readonly headers: Headers;
  readonly stream: ReadableStream<Uint8Array>;
}

/** An answer in one piece. */
export interface Whole {
  readonly json: object;
  readonly headers: Headers;
}

/** A request that was read and let in, and how an upstream answers it. */
export interface Plan {
  readonly wanted: Wanted;
  /** Resolves when there is something of an answer; may be called again with another upstream where it failed before. */
  readonly ask: (upstream: Upstream) => Promise<Streamed | Whole>;
  /** Where the answer is a stream of SSE: its headers as far as they are known before, and how it tells of an error. */
  readonly sse?: { readonly headers: Headers; readonly failure: (error: GatewayError) => string };
}

/** Reads a request. @returns an answer where there is nothing to ask. @throws {GatewayError} */
export type Planner = (c: Context<Env>, body: Buffer) => Promise<Plan | Response>;

/** Answers requests as they are planned. */
export function carryingOut(planner: Planner, services: Services): BodyHandler {
  return async (c, body) => {
    const plan = await planner(c, body);
    return plan instanceof Response ? plan : await carryOut(c, plan, services);
  };
}

/** @throws {GatewayError} of the last upstream that was asked */
export async function carryOut(c: Context<Env>, plan: Plan, { config, fleet }: Services): Promise<Response> {
  const exchange = c.get('exchange');
  exchange.expectEnd(config.timeouts.total);
  const begin = async (): Promise<Streamed | Whole> => await fleet.ask(exchange, plan.wanted, plan.ask);
  const { sse } = plan;
  const answer =
    sse === undefined
      ? await begin()
      : await patiently(exchange, config.timeouts.silence, {
          begin: async () => (await begin()) as Streamed,
          unknown: { status: 200, headers: sse.headers },
          late: ({ headers }) => added(sse.headers, headers),
          failure: sse.failure,
        });
  if ('json' in answer) return sendJson(c, 200, answer.json, answer.headers);
  return sendStream(c, answer.status, answer.stream, answer.headers);
}

/** What more headers say, or say otherwise. */
function added(before: Headers, after: Headers): Headers {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value));
}
