import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { until } from '../helpers/wait.ts';

export const root = resolve(import.meta.dirname, '../..');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  /** Waits until standard output matches. @throws {Error} when that takes too long, or the process ends first */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  /** Waits until standard error matches. @throws {Error} when that takes too long */
  untilLogged(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Finished>;
}

/**
 * Starts a program. Of the variables that configure llamaduct it gets only those in `env`, and it finds no Ollama server that
 * happens to run on this machine.
 *
 * @param deadline milliseconds after which it is killed
 */
export function start(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  deadline = 20_000,
): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LLAMADUCT|NODE_TEST|npm_lifecycle)_/.test(name));
  const child = spawn(program, args, {
    cwd: root,
    env: { ...Object.fromEntries(inherited), OLLAMA_HOST: '127.0.0.1:1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    child.stdout.destroy();
    child.stderr.destroy();
  }, deadline);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => {
    clearTimeout(timer);
    return { code: code as number | null, stdout, stderr };
  });
  return {
    ended,
    kill: (signal) => void child.kill(signal),
    untilLogged: async (pattern) => await until(`${String(pattern)} in the log`, () => pattern.test(stderr), deadline),
    async until(pattern) {
      await until(
        `${String(pattern)} in ${JSON.stringify({ stdout, stderr })}`,
        () => pattern.test(stdout) || child.exitCode !== null,
        deadline,
      );
      const match = pattern.exec(stdout);
      if (match === null) throw new Error(`ended without ${String(pattern)}: ${stdout}${stderr}`);
      return match;
    },
  };
}

/** Starts llamaduct. */
export function startLlamaduct(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return start(process.execPath, ['src/bin.js', ...args], env);
}

/** Runs llamaduct until it exits. */
export async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return await startLlamaduct(args, env).ended;
}
