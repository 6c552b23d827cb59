import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../fixtures');

/** One recorded exchange with a real Ollama. */
export interface Recording {
  /** `ollama-0.17.4/chat-plain-stream` */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly contentType: string | null;
  /** False when the server broke the connection. */
  readonly complete: boolean;
  readonly request: Record<string, unknown> | null;
  readonly body: Buffer;
}

export function recording(name: string): Recording {
  const folder = join(root, name);
  const file = readdirSync(folder).find((entry) => entry.startsWith('body.'));
  if (file === undefined) throw new Error(`${name} has no body`);
  const exchange = JSON.parse(readFileSync(join(folder, 'exchange.json'), 'utf8')) as Omit<Recording, 'name' | 'body'>;
  return { name, ...exchange, body: readFileSync(join(folder, file)) };
}

/** The recordings whose name matches, by default of Ollama's own API in both versions. */
export function recordings(
  matches: RegExp,
  servers: readonly string[] = ['ollama-0.17.4', 'ollama-0.33'],
): Recording[] {
  return servers.flatMap((server) =>
    readdirSync(join(root, server))
      .filter((name) => matches.test(name))
      .map((name) => recording(`${server}/${name}`)),
  );
}
