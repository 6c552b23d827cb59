import { parseArgs } from 'node:util';
import { type Contender, commandOf } from './contenders.ts';
import { type Workload, scaled, shortened, workloads } from './workloads.ts';

const names = workloads.map(({ name }) => name);

export const usage = `npm run bench -- [OPTION...]

Measures what llamaduct costs: CPU time, delay and memory, beside no proxy, a raw pass-through in the same Node, and nginx
where it is installed. Prints Markdown tables. Every answer is verified: exits with 1 if one is not as it has to be.

  --rounds N               how often everything is measured, in turn; 3
  --only NAME,...          of ${names.join(', ')}
  --scale FACTOR           of the requests that are measured; 1
  --smoke                  a minute that shows that all of it works; its figures say little
  --base REV               measures another revision of this repository, too
  --contender NAME=COMMAND measures a program that takes PORT and UPSTREAM (an Ollama) from its environment, and answers
                           OpenAI's chat completions; may be given several times
  --json FILE              writes everything that was measured
  --cpu-prof FOLDER        writes a CPU profile of each llamaduct; it costs time itself
`;

export interface Options {
  readonly rounds: number;
  readonly workloads: readonly Workload[];
  /** Of the requests that a process serves before it is measured. */
  readonly settle: number;
  readonly base?: string | undefined;
  readonly others: readonly Contender[];
  readonly json?: string | undefined;
  readonly profiles?: string | undefined;
}

/** @returns undefined where help is asked for @throws Error for what is not understood */
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
    if (found === undefined) throw new Error(`--only takes of ${names.join(', ')}, not '${name}'`);
    return scaled(smoke ? shortened(found) : found, scale);
  });
  const others = values.contender.map((text) => {
    const contender = commandOf(text);
    if (contender === undefined) throw new Error(`--contender takes NAME=COMMAND, not '${text}'`);
    return contender;
  });
  return { rounds, workloads: chosen, settle: smoke ? 0.1 : 1, base, others, json, profiles: values['cpu-prof'] };
}
