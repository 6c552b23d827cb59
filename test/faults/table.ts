import { bench, exercise } from './bench.ts';
import { type Dialect, dialects } from './dialects.ts';
import { type Outcome, faults } from './faults.ts';

interface Seen {
  readonly dialect: Dialect;
  readonly streamed: boolean;
  readonly outcome: Outcome;
}

/** Lets a dialect meet every fault, one after the other. */
async function meet(dialect: Dialect, streamed: boolean): Promise<Map<string, Seen>> {
  await using on = await bench(dialect);
  const seen = new Map<string, Seen>();
  for (const fault of faults) seen.set(fault.name, { dialect, streamed, outcome: await exercise(on, fault, streamed) });
  return seen;
}

/** What clients got, each thing once. */
function inWords(seen: readonly Seen[]): string {
  return [...new Set(seen.map(({ outcome }) => words(outcome)))].join(' or ');
}

function words(outcome: Outcome): string {
  switch (outcome) {
    case 'answer':
      return 'the answer';
    case 'as it is':
      return 'what the upstream sent';
    case 'cut':
      return 'a broken connection';
    case 'left':
      return 'more, until it leaves';
    default: {
      const [kind, code] = outcome.split(' ');
      return kind === 'event' ? `an error in the stream, \`${code}\`` : `${kind} \`${code}\``;
    }
  }
}

/**
 * Every fault of an upstream, and what its clients got of it in all dialects, as a table in Markdown. A request to an
 * upstream of its own dialect is passed on as it is; all others are translated.
 */
export async function faultTable(): Promise<string> {
  const met = await Promise.all(dialects.flatMap((dialect) => [meet(dialect, true), meet(dialect, false)]));
  const rows = faults.map(({ name }) => {
    const all = met.flatMap((seen) => seen.get(name) ?? []);
    const translated = all.filter(({ dialect }) => !dialect.passed);
    const passed = (kind: Dialect['kind']): string => {
      const of = all.filter(({ dialect }) => dialect.passed && dialect.kind === kind);
      const [streamed, whole] = [true, false].map((is) => inWords(of.filter((one) => one.streamed === is)));
      return streamed === whole ? String(whole) : `streamed: ${streamed}; in one piece: ${whole}`;
    };
    return [
      name,
      inWords(translated.filter(({ streamed }) => streamed)),
      inWords(translated.filter(({ streamed }) => !streamed)),
      passed('ollama') === passed('openai')
        ? passed('ollama')
        : `${passed('ollama')}; of kind openai ${passed('openai')}`,
    ];
  });
  const head = ['The upstream', 'Streamed', 'In one piece', 'Passed on'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

if (import.meta.main) process.stdout.write(await faultTable());
