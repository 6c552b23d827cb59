import type { Context } from 'hono';
import type { ErrorFormat, TargetReader } from '../chat/protocol.ts';
import type { Scope } from '../config/schema.ts';
import { asGatewayError, invalidValue } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { shuttingDown } from '../exchange/registry.ts';
import { type Key, anonymous } from '../policy/keys.ts';
import type { Services } from '../services.ts';
import { afterUsageRows } from '../usage/writer.ts';
import type { Owner } from './admission.ts';
import { type ClientAddressOf, createClientAddressOf } from './client-address.ts';
import type { Cors } from './cors.ts';
import { networkOf } from './network-of.ts';
import { type PageCheck, createPageCheck } from './page-check.ts';
import { notFound, readTarget, targetOf } from './paths.ts';
import { BodyReader } from './request-body.ts';
import { type Env, type Handler, type RequestHandler, plainHeaders, sendError } from './respond.ts';

/** A path with its handler and the scope that it needs. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A Hono path. */
  readonly path: string;
  readonly handler: RequestHandler;
  /** The format of its errors. */
  readonly errors: ErrorFormat;
  /** The scope that a key needs. Absent: any key will do. */
  readonly scope?: Scope;
  /** True if the handler takes the whole body. */
  readonly readsBody?: boolean;
  /** Values that its body may contain in addition to `limits.values`. */
  readonly moreValues?: number;
  /** Prefix of the generated request id. */
  readonly idPrefix?: string;
  /** True if it runs a model: it then counts against limits and gets a usage row. */
  readonly runsModel?: boolean;
}

interface Admittance {
  readonly scope: Route['scope'];
  /** The key in the base path. */
  readonly secret: string | undefined;
}

const noBody = Buffer.alloc(0);

/** Lets requests in. Every request becomes an exchange here, and every error of a handler becomes a response here. */
export class Guard {
  readonly #services: Services;
  readonly #cors: Cors;
  readonly #clientAddressOf: ClientAddressOf;
  readonly #checkPage: PageCheck;
  readonly #bodies: BodyReader;
  readonly #readers: readonly TargetReader[];

  /** @param readers of the targets of dialects that have more in them than a path */
  constructor(services: Services, cors: Cors, readers: readonly TargetReader[]) {
    this.#readers = readers;
    this.#services = services;
    this.#cors = cors;
    this.#clientAddressOf = createClientAddressOf(services.config);
    this.#checkPage = createPageCheck(services.config);
    this.#bodies = new BodyReader(services.config);
  }

  /** Answers requests with a key that the route accepts. */
  protect(route: Route): Handler {
    const pattern = route.path.replaceAll(/:(\w+)(\{[^/]*\})?/g, '{$1}');
    return this.open(route, async (c) => {
      const exchange = c.get('exchange');
      exchange.route = pattern;
      exchange.runsModel = route.runsModel === true;
      exchange.idPrefix = route.idPrefix ?? 'req_';
      const { secret, model } = c.get('target');
      await this.#admit(c, exchange, { scope: route.scope, secret });
      if (route.readsBody !== true) return await route.handler(c, noBody);
      const body = await this.#bodies.read(c, { model, moreValues: route.moreValues ?? 0 });
      if (exchange.key !== undefined) this.#services.gatekeeper.requireUnexpired(exchange.key);
      return await route.handler(c, body);
    });
  }

  /** Answers every request. The exchange ends with the response, unless a sink ends it. */
  open({ errors }: Pick<Route, 'errors'>, handler: Handler): Handler {
    return async (c) => {
      const exchange = this.#begin(c);
      let thrown: unknown;
      let response: Response;
      try {
        const target = readTarget(targetOf(c.req.url, c.env), {
          keysInPath: this.#services.config.keys_in_path,
          readers: this.#readers,
          header: (name) => c.req.header(name),
        });
        if (target.path === undefined) throw notFound();
        c.set('target', target);
        response = await handler(c);
      } catch (error) {
        thrown = error;
        response = sendError(c, asGatewayError(error), errors);
      }
      if (exchange.endedBySink) return response;
      exchange.end(thrown);
      if (exchange.runsModel && exchange.key !== undefined) await new Promise<void>(afterUsageRows);
      return response;
    };
  }

  /** Answers without a key, and without an exchange: there is no log line, no metric and no id. */
  status({ errors }: Pick<Route, 'errors'>, handler: Handler): Handler {
    return (c) => {
      const { open } = this.#services.gatekeeper.access;
      const refusal = open ? this.#checkPage((name) => c.req.header(name)) : undefined;
      if (refusal === undefined) return handler(c);
      return Response.json(errors.body(refusal), { status: refusal.status, headers: plainHeaders });
    };
  }

  #begin(c: Context<Env>): Exchange {
    const clientId = c.req.header('x-request-id');
    const { exchanges } = this.#services;
    const exchange = exchanges.begin(
      c.req.method,
      clientId !== undefined && isId.test(clientId) ? clientId : undefined,
    );
    c.set('exchange', exchange);
    const incoming = c.env?.incoming;
    if (incoming !== undefined) exchange.client = this.#clientAddressOf(incoming);
    Object.assign(exchange.headers, this.#cors(c.req.header('origin')));
    const onClose = (): void => exchange.onClientLeft();
    const outgoing = c.env?.outgoing;
    if (outgoing === undefined) c.req.raw.signal.addEventListener('abort', onClose, { once: true });
    else outgoing.once('close', onClose);
    return exchange;
  }

  /**
   * Checks the key and its scope, then bounds the requests in flight: of all, of each key, and by the limits of those that run
   * a model. A request holds its place before its body is read, because a body that never arrives holds a place too.
   *
   * @throws {GatewayError} 401, 403, 400 for an unknown priority, 503 when too many are in flight or the service stops, 429
   *   when too many of the key are, and 429 of the limiter
   */
  async #admit(c: Context<Env>, exchange: Exchange, { scope, secret }: Admittance): Promise<void> {
    const { admission, exchanges, gatekeeper, limiter } = this.#services;
    const key = await gatekeeper.identify(c.req.raw.headers, secret);
    exchange.key = key;
    if (key === anonymous) this.#requireLocalPage(c);
    gatekeeper.requireAddress(key, exchange.client);
    if (scope !== undefined) gatekeeper.requireScope(key, scope);
    const priority = c.req.header(priorityHeader);
    if (priority !== undefined && priority !== 'interactive' && priority !== 'batch') {
      throw invalidValue(priorityHeader, `${priorityHeader} is interactive or batch.`);
    }
    exchange.batch = priority === 'batch';
    if (exchanges.stopping) throw shuttingDown();
    admission.enter(exchange, ownerOf(key, exchange.client));
    const subjects = exchange.runsModel ? (key?.limitSubjects ?? []) : [];
    if (subjects.length > 0) exchange.onEnd(limiter.enterConcurrent(subjects));
  }

  /** @throws {GatewayError} 403 for a request without a key that a page of another host may have sent */
  #requireLocalPage(c: Context<Env>): void {
    const refusal = this.#checkPage((name) => c.req.header(name));
    if (refusal === undefined) return;
    this.#services.gatekeeper.refuse(refusal.code === 'host_not_allowed' ? 'host' : 'origin', refusal);
  }
}

/** Requests without a key share nothing but their address. */
function ownerOf(key: Key, client = ''): Owner {
  const { name, label, maxInFlight: maxRequests } = key;
  return key === anonymous ? { label, name: `${name} ${networkOf(client)}` } : { name, label, maxRequests };
}

/** A request id that is safe in a header, a log line and an answer. */
const isId = /^[\w.:-]{1,128}$/;

/** The client says with it that nobody waits for the answer. A key of priority batch stays one. */
const priorityHeader = 'x-llamaduct-priority';
