import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Upstream } from '../pool/upstream.ts';
import type { Logger } from '../telemetry/logger.ts';
import { askUpstream } from '../upstreams/http/read.ts';
import { version } from '../version.ts';
import { withTimeout } from '../with-timeout.ts';

/** Milliseconds that the line waits for the upstreams. */
const answerTimeout = 2_500;

/** Models that the line names, for each upstream. */
const maxModels = 20;

interface Started {
  readonly config: Config;
  /** Path of the configuration file. */
  readonly file: string | undefined;
  readonly upstreams: readonly Upstream[];
  /** The address in use, with its port. */
  readonly address: string;
  /** Absent without a listener of its own. */
  readonly metricsUrl: string | undefined;
}

/** Logs the start in one line, once the upstreams have answered or had time to. Never rejects. */
export async function logStart(logger: Logger, started: Started): Promise<void> {
  if (!logger.isLevelEnabled('info')) return;
  const { config, address } = started;
  const upstreams = await Promise.all(started.upstreams.map((upstream) => stateOf(upstream, config)));
  const up = upstreams.filter((upstream) => upstream.up).length;
  const summary = `${up} of ${upstreams.length} upstreams up, ${config.keys.length} keys`;
  logger.info(
    {
      version,
      node: process.versions.node,
      address,
      metrics_address: started.metricsUrl,
      config_file: started.file,
      access: config.access,
      keys: config.keys.length,
      groups: Object.keys(config.groups).length,
      identity_provider: config.jwt?.issuer,
      limits_store: config.valkey === undefined ? 'memory' : 'valkey',
      usage_store: config.usage.file ?? 'memory',
      upstreams,
    },
    `llamaduct ${version} started on ${address}: ${summary}`,
  );
}

/** The state of an upstream at the start. Its address is not in the log. */
interface UpstreamState {
  readonly name: string;
  readonly kind: string;
  /** Requests that it gets at a time; absent for any number. */
  readonly parallel?: number;
  readonly up: boolean;
  readonly version?: string;
  /** Number of its models, and the names of the first. */
  readonly models?: number;
  readonly model_names?: readonly string[];
  /** Why it is not up. */
  readonly cause?: string;
}

async function stateOf(upstream: Upstream, { upstreams }: Config): Promise<UpstreamState> {
  const { name, kind } = upstream;
  const parallel = upstreams.find((one) => one.name === name)?.parallel;
  const [serverVersion, models] = await Promise.all([versionOf(upstream), modelsOf(upstream)]);
  return {
    name,
    kind,
    ...(parallel !== undefined && { parallel }),
    ...models,
    ...(serverVersion !== undefined && { version: serverVersion }),
  };
}

async function versionOf({ client, backend }: Upstream): Promise<string | undefined> {
  const question = backend.version;
  return question && (await askUpstream(client, backend, question, answerTimeout).catch(() => undefined));
}

async function modelsOf({
  catalog,
}: Upstream): Promise<Pick<UpstreamState, 'up' | 'models' | 'model_names' | 'cause'>> {
  try {
    // The health checks have just asked for the list.
    const models = await withTimeout(answerTimeout, catalog.list(Infinity));
    if (models === undefined) return { up: false, cause: 'upstream_timeout' };
    return { up: true, models: models.length, model_names: models.slice(0, maxModels).map(({ name }) => name) };
  } catch (error) {
    if (!(error instanceof GatewayError)) return { up: false };
    // Some servers have no list of models.
    if ([404, 405].includes(error.answered?.status ?? 0)) return { up: true };
    const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
    return { up: false, cause: code ?? error.code };
  }
}
