import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSecret } from '../../src/config/secret.ts';

/** The API key of all clients. */
export const secret = 'ld-bench-key';

const unreachable = 1_000_000_000_000;

/**
 * Writes a configuration with every feature on, as in production, and limits that are checked but never reached.
 *
 * @returns the path of the file
 */
export function writeConfig(folder: string, { port, upstream }: { port: number; upstream: string }): string {
  const limits = {
    requests_per_minute: 1_000_000,
    tokens_per_minute: unreachable,
    concurrent: 100_000,
    max_tokens: 8_192,
    tokens_per_day: unreachable,
    tokens_per_month: unreachable,
  };
  const { max_tokens: _, ...shared } = limits;
  const config = {
    listen: `127.0.0.1:${port}`,
    upstreams: [{ name: 'bench', kind: 'ollama', url: upstream, parallel: 10_000, models_in_memory: 100 }],
    keys: [{ name: 'bench', hash: hashSecret(secret), group: 'bench', scopes: ['inference', 'metrics'], limits }],
    groups: { bench: { shared } },
    queue: { waiting: 10_000, waiting_per_key: 10_000 },
    usage: { file: join(folder, `usage-${port}.db`) },
    models: [{ match: 'bench-*', options: { num_ctx: 1_048_576 }, pin: { top_k: 40 }, max_tokens: 8_192 }],
    limits: { in_flight: 10_000, connections: 20_000 },
    log_level: 'info',
  };
  const file = join(folder, `llamaduct-${port}.yaml`);
  writeFileSync(file, JSON.stringify(config));
  return file;
}
