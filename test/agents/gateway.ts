import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, type Output, run } from './processes.ts';

const root = join(import.meta.dirname, '../..');

export interface RunningGateway {
  readonly url: string;
  readonly key: string;
  /** Ends it and waits for that. */
  close(): Promise<void>;
}

/** `/readyz` is asked this many times, every 100 ms, before the start counts as failed. */
const tries = 300;

/**
 * Starts llamaduct of this checkout, with the defaults of every setting.
 * @param folder for its configuration
 * @throws Error if it does not become ready
 */
export async function startGateway(upstream: string, folder: string): Promise<RunningGateway> {
  const key = `sk-${randomBytes(24).toString('hex')}`;
  const url = `http://127.0.0.1:${await freePort()}`;
  const config = join(folder, 'llamaduct.yaml');
  writeFileSync(config, `listen: ${url.slice('http://'.length)}\nupstreams:\n  - { name: ollama, url: ${upstream} }\n`);
  const state: { pid?: number; ended?: Output } = {};
  const env = { PATH: process.env['PATH'], HOME: folder, LLAMADUCT_KEY: key };
  const args = [join(root, 'src/bin.js'), '--config', config];
  const running = run({
    file: process.execPath,
    args,
    cwd: folder,
    env,
    deadline: 3_600_000,
    onStart: (pid) => (state.pid = pid),
  });
  void running.then((output) => (state.ended = output));
  for (let count = 0; count < tries && state.ended === undefined; count += 1) {
    const ready = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) {
      const close = async (): Promise<void> => {
        if (state.pid !== undefined && state.ended === undefined) process.kill(state.pid, 'SIGKILL');
        await running;
      };
      return { url, key, close };
    }
    await sleep(100);
  }
  const { stdout = '', stderr = 'not ready' } = state.ended ?? {};
  throw new Error(`llamaduct does not start: ${`${stdout}${stderr}`.slice(-1000)}`);
}
