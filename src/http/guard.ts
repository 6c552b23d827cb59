import type { Scope } from '../config/schema.ts';
import { asGatewayError } from '../errors.ts';
import { errorsFor } from '../protocols/index.ts';
import { admit, asksForBatch } from './admission.ts';
import type { Cors } from './cors.ts';
import { beginExchange } from './begin.ts';
import { requirePlainTarget } from './paths.ts';
import { type RequestHandler, sendError } from './respond.ts';
import type { Services } from '../services.ts';

/** What is answered at a path, and to whom. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A Hono path. */
  readonly path: string;
  /** What a key needs for it. Absent: any key will do. */
  readonly scope?: Scope;
  readonly handler: RequestHandler;
  /** What the ids of its answers begin with, where the client brings none. */
  readonly idPrefix?: string;
  /** Whether a model runs for it: it has a row in the usage. */
  readonly runsModel?: boolean;
}

/** What every request passes on its way to a handler, and its answer on its way back. */
export class Guard {
  readonly #services: Services;
  readonly #cors: Cors;

  constructor(services: Services, cors: Cors) {
    this.#services = services;
    this.#cors = cors;
  }

  /** Lets in whoever may use the route. */
  protect({ path, scope, handler, idPrefix = 'req_', runsModel = false }: Route): RequestHandler {
    const pattern = path.replace(/:(\w+)(\{.*\})?/, '{$1}');
    return this.open(async (c) => {
      const exchange = c.get('exchange');
      exchange.label(pattern, idPrefix, runsModel);
      const { gatekeeper } = this.#services;
      const key = await gatekeeper.identify(c.req.raw.headers);
      exchange.key = key;
      if (scope !== undefined) gatekeeper.requireScope(key, scope);
      exchange.batch = asksForBatch(c);
      admit(exchange, this.#services);
      return await handler(c);
    });
  }

  /** Lets everybody in. An exchange begins with the request and ends with the answer, unless a stream will end it. */
  open(handler: RequestHandler): RequestHandler {
    return async (c) => {
      const exchange = beginExchange(c, this.#services.exchanges);
      Object.assign(exchange.headers, this.#cors(c.req.header('origin')));
      let thrown: unknown;
      let response: Response;
      try {
        requirePlainTarget(c);
        response = await handler(c);
      } catch (error) {
        thrown = error;
        response = sendError(c, asGatewayError(error), errorsFor(c.req.path));
      }
      if (exchange.streaming) return response;
      exchange.end(thrown);
      // Who has an answer finds it in the usage, also of a process that was killed then.
      if (exchange.runsModel) await new Promise((resolve) => setImmediate(resolve));
      return response;
    };
  }
}
