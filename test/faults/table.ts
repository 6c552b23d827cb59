import { type Dialect, dialects } from './dialects.ts';
import { type Outcome, describeOutcome, faults } from './faults.ts';
import { exchangeWith, startHarness } from './harness.ts';

interface Result {
  readonly dialect: Dialect;
  readonly streamed: boolean;
  readonly outcome: Outcome;
}

/** Runs every fault in one dialect, one after the other. @returns the results by the name of the fault */
async function runFaults(dialect: Dialect, streamed: boolean): Promise<Map<string, Result>> {
  await using harness = await startHarness(dialect);
  const results = new Map<string, Result>();
  for (const fault of faults) {
    results.set(fault.name, { dialect, streamed, outcome: await exchangeWith(fault, harness, streamed) });
  }
  return results;
}

/** @returns the distinct outcomes in words */
function inWords(results: readonly Result[]): string {
  return [...new Set(results.map(({ outcome }) => describeOutcome(outcome)))].join(' or ');
}

/**
 * Runs every fault in every dialect, and prints what clients get as a Markdown table. A request to an upstream that speaks
 * the client's own API is passed through; all others are translated.
 */
export async function faultTable(): Promise<string> {
  const runs = await Promise.all(dialects.flatMap((dialect) => [runFaults(dialect, true), runFaults(dialect, false)]));
  const rows = faults.map(({ name }) => {
    const results = runs.flatMap((run) => run.get(name) ?? []);
    const translated = results.filter(({ dialect }) => !dialect.passedThrough);
    const passedThrough = (kind: Dialect['kind']): string => {
      const ofKind = results.filter(({ dialect }) => dialect.passedThrough && dialect.kind === kind);
      const streamed = inWords(ofKind.filter((result) => result.streamed));
      const whole = inWords(ofKind.filter((result) => !result.streamed));
      return streamed === whole ? whole : `streamed: ${streamed}; not streamed: ${whole}`;
    };
    const [ollama, openai] = [passedThrough('ollama'), passedThrough('openai')];
    return [
      name,
      inWords(translated.filter(({ streamed }) => streamed)),
      inWords(translated.filter(({ streamed }) => !streamed)),
      ollama === openai ? ollama : `${ollama}; kind \`openai\`: ${openai}`,
    ];
  });
  const head = ['Fault of the upstream', 'Translated, streamed', 'Translated, not streamed', 'Passed through'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

if (import.meta.main) process.stdout.write(await faultTable());
