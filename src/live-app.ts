import { createApp } from './app.ts';
import type { Config } from './config/schema.ts';
import { startHealthChecks } from './pool/health-checks.ts';
import { RetiredUpstreams } from './pool/retired-upstreams.ts';
import type { Env } from './http/respond.ts';
import { clientProtocols } from './protocols/index.ts';
import { reconfigure } from './reconfigure.ts';
import type { Services } from './services.ts';
import type { State } from './store/index.ts';
import type { Wiring } from './upstream-wiring.ts';
import { createServices } from './wiring.ts';

type App = ReturnType<typeof createApp>;

/** The services and routes. A reload replaces them for new requests; requests under way keep the ones that they began with. */
export class LiveApp {
  readonly #wiring: Wiring;
  readonly #state: State;
  readonly #retired: RetiredUpstreams;
  #services: Services;
  #app: App;
  #stopHealthChecks: (() => void) | undefined;
  #isStopping = false;

  constructor(wiring: Wiring, state: State) {
    const { config, logger } = wiring;
    const protocols = clientProtocols(config, state.textStore);
    this.#wiring = wiring;
    this.#state = state;
    this.#retired = new RetiredUpstreams(({ name }) => {
      logger.info({ upstream: name }, 'removed upstream has completed its requests');
    });
    this.#services = createServices({ wiring, protocols, state });
    this.#app = createApp(protocols, this.#services);
  }

  get services(): Services {
    return this.#services;
  }

  readonly fetch = (request: Request, bindings?: Env['Bindings']): Response | Promise<Response> =>
    this.#app.fetch(request, bindings);

  /** Checks the upstreams from now on. */
  startHealthChecks(): void {
    this.#stopHealthChecks?.();
    if (this.#isStopping) return;
    const { interval } = this.#wiring.config.health;
    this.#stopHealthChecks = startHealthChecks(this.#services.pool.upstreams, interval);
  }

  /** Applies a new configuration, except for the keys and the rules of models. */
  use(config: Config): void {
    const { logger } = this.#wiring;
    const { health } = this.#wiring.config;
    const { upstreams } = this.#services.pool;
    this.#services = reconfigure(this.#services, config, this.#wiring, this.#retired);
    this.#app = createApp(clientProtocols(config, this.#state.textStore), this.#services);
    this.#state.use(config);
    if (logger.level !== config.log_level) logger.level = config.log_level;
    const now = this.#services.pool.upstreams;
    const isSame = now.length === upstreams.length && now.every((upstream) => upstreams.includes(upstream));
    if (!isSame || health.interval !== config.health.interval) this.startHealthChecks();
  }

  stopHealthChecks(): void {
    this.#isStopping = true;
    this.#stopHealthChecks?.();
  }

  async closeClients(): Promise<void> {
    const { pool } = this.#services;
    await Promise.all([this.#retired.close(), ...pool.upstreams.map(async ({ client }) => await client.close())]);
  }
}
