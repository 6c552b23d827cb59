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
  /** Waits until standard output matches. @throws when that takes too long, or the process ends before */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Finished>;
}

/**
 * Starts a program, which has `deadline` milliseconds to end. Of the variables that configure llamaduct it sees only `env`, and it finds no Ollama unless `env`
 * names one, whatever runs on this machine.
 */
export function start(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  deadline = 20_000,
): Running {
  const outer = Object.entries(process.env).filter(([name]) => !/^(LLAMADUCT|NODE_TEST|npm_lifecycle)_/.test(name));
  const child = spawn(program, args, {
    cwd: root,
    env: { ...Object.fromEntries(outer), OLLAMA_HOST: '127.0.0.1:1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    child.stdout.destroy();
    child.stderr.destroy();
  }, deadline);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  const ended = once(child, 'close').then(([code]) => {
    clearTimeout(timer);
    return { code: code as number | null, stdout, stderr };
  });
  return {
    ended,
    kill: (signal) => void child.kill(signal),
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

/** Runs llamaduct to its end. */
export async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return await startLlamaduct(args, env).ended;
}
