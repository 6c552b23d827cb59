/** The environment variables that configure llamaduct. */
const names = [
  'LLAMADUCT_CONFIG',
  'LLAMADUCT_UPSTREAM',
  'LLAMADUCT_LISTEN',
  'LLAMADUCT_KEY',
  'LLAMADUCT_METRICS_TOKEN',
  'OLLAMA_HOST',
  'OLLAMA_NUM_PARALLEL',
] as const;

export type Environment = Readonly<Partial<Record<(typeof names)[number], string>>>;

/** Picks the variables that configure llamaduct. An empty variable counts as absent, because compose files set those. */
export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  return Object.fromEntries(names.map((name) => [name, variables[name]?.trim()]).filter(([, value]) => value));
}

/** Reads a variable whose name the configuration file gives (`key_env`). An empty variable counts as absent. */
export function readVariable(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

/** The messages that systemd expects from a service. */
export interface ServiceManagerVariables {
  /** True if it waits for a message that the service is ready. */
  readonly notifies: boolean;
  /** Milliseconds within which it expects a sign of life; undefined for none. */
  readonly watchdog: number | undefined;
}

/** Reads the variables of systemd that are meant for this process. */
export function readServiceManager(variables: NodeJS.ProcessEnv = process.env): ServiceManagerVariables {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = variables;
  const isWatched = Number(microseconds) > 0 && (pid === undefined || Number(pid) === process.pid);
  return { notifies: socket !== '', watchdog: isWatched ? Number(microseconds) / 1000 : undefined };
}

/** True when `npm start`, `npm run` or `npx` started this process. */
export function startedByNpm(): boolean {
  return process.env['npm_lifecycle_event'] !== undefined;
}
