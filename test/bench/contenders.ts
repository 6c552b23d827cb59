import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeConfig } from './llamaduct.ts';
import { hasNginx, nginxCommand } from './nginx.ts';

export const root = resolve(import.meta.dirname, '../..');

/** The arguments with which a contender is started. */
export interface Place {
  /** Names the measurement; part of file names. */
  readonly label: string;
  /** The folder for its files. */
  readonly folder: string;
  readonly port: number;
  /** Base URL of the upstream. */
  readonly upstream: string;
}

/** A command, and the folder and environment in which it runs. */
export interface Command {
  readonly command: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Contender {
  readonly name: string;
  readonly title: string;
  /** Absent: the clients connect to the upstream itself. */
  readonly start?: (place: Place) => Command;
}

const none: Contender = { name: 'none', title: 'no proxy' };

const node = process.execPath;

const raw: Contender = {
  name: 'raw',
  title: 'raw: node:http + undici, nothing parsed',
  start: () => ({ command: [node, resolve(import.meta.dirname, 'raw.ts')] }),
};

const nginx: Contender = {
  name: 'nginx',
  title: 'nginx, plain pass-through',
  start: (place) => ({ command: nginxCommand(place.folder, place) }),
};

/**
 * llamaduct as it is deployed: built, and run with the Node options of its start script.
 *
 * @param folder a checkout
 * @param profiles folder in which Node writes a CPU profile of each process
 */
function llamaductOf(folder: string, profiles?: string): Contender {
  return {
    name: 'llamaduct',
    title: 'llamaduct',
    start: (place) => {
      const profile = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${place.label}.cpuprofile`];
      const script = ['dist/bin.js', '--config', writeConfig(place.folder, place)];
      return {
        command: [node, ...optionsOf(folder), ...(profiles === undefined ? [] : profile), ...script],
        cwd: folder,
      };
    },
  };
}

/** @returns the options of `node` in a checkout's start script */
function optionsOf(folder: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { scripts: { start: string } };
  return scripts.start.split(' ').filter((word) => word.startsWith('--'));
}

/**
 * @param text NAME=COMMAND; a shell runs the command with PORT and UPSTREAM in its environment
 * @returns undefined when the text has another form
 */
export function commandOf(text: string): Contender | undefined {
  const [, name, command] = /^([\w.-]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || command === undefined) return undefined;
  // The folder in which the user typed the command.
  const cwd = process.env['INIT_CWD'] ?? process.cwd();
  return { name, title: name, start: () => ({ command: ['sh', '-c', command], cwd }) };
}

export interface Wanted {
  /** A checkout of another revision. */
  readonly base?: { readonly title: string; readonly folder: string } | undefined;
  readonly others: readonly Contender[];
  readonly profiles?: string | undefined;
}

/** @returns the contenders of this run */
export function contendersOf({ base, others, profiles }: Wanted): readonly Contender[] {
  return [
    none,
    raw,
    ...(hasNginx() ? [nginx] : []),
    llamaductOf(root, profiles),
    ...(base === undefined ? [] : [{ ...llamaductOf(base.folder), name: 'base', title: `llamaduct at ${base.title}` }]),
    ...others,
  ];
}
