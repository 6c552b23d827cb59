import { parseArgs } from 'node:util';
import { type Contender, commandOf } from './contenders.ts';
import { type Workload, scaled, shortened, workloads } from './workloads.ts';

const names = workloads.map(({ name }) => name);

export const usage = `npm run bench -- [OPTION...]

Measures CPU time, delays and memory of llamaduct, of no proxy, of a raw pass-through in the same Node, and of nginx if it
is installed. Prints Markdown tables. Verifies every response, and exits with 1 if one is incorrect.

  --rounds N               number of rounds in which everything is measured; default 3
  --only NAME,...          only these workloads of ${names.join(', ')}
  --scale FACTOR           multiplies the number of measured requests; default 1
  --smoke                  runs for a minute to show that everything works; the figures mean little
  --base REV               also measures another revision of this repository
  --contender NAME=COMMAND also measures a program that reads PORT and UPSTREAM (an Ollama) from its environment, and
                           serves OpenAI's chat completions; may be repeated
  --json FILE              writes all measurements to a file
  --cpu-prof FOLDER        writes a CPU profile of each llamaduct; profiling costs CPU time itself
`;

export interface Options {
  readonly rounds: number;
  readonly workloads: readonly Workload[];
  /** Factor of the number of requests that a process serves before it is measured. */
  readonly settle: number;
  readonly base?: string | undefined;
  readonly others: readonly Contender[];
  readonly json?: string | undefined;
  readonly profiles?: string | undefined;
}

/** @returns the options; undefined for `--help` @throws {Error} for invalid arguments */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      only: { type: 'string' },
      scale: { type: 'string', default: '1' },
      smoke: { type: 'boolean', default: false },
      base: { type: 'string' },
      contender: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      'cpu-prof': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { base, json, smoke, only = names.join(',') } = values;
  const rounds = Number(values.rounds ?? (smoke ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error('--rounds takes a number from 1 to 100');
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 100)) throw new Error('--scale takes a number up to 100');
  const chosen = only.split(',').map((name) => {
    const found = workloads.find((workload) => workload.name === name);
    if (found === undefined) throw new Error(`--only takes names of ${names.join(', ')}, not '${name}'`);
    return scaled(smoke ? shortened(found) : found, scale);
  });
  const others = values.contender.map((text) => {
    const contender = commandOf(text);
    if (contender === undefined) throw new Error(`--contender takes NAME=COMMAND, not '${text}'`);
    return contender;
  });
  return { rounds, workloads: chosen, settle: smoke ? 0.1 : 1, base, others, json, profiles: values['cpu-prof'] };
}
