import { type Dialect, dialects } from './dialects.ts';
import { type Fault, type Outcome, describeOutcome, expectedOutcome, faults } from './faults.ts';
import { exchangeWith, startHarness } from './harness.ts';

/** What the client of one dialect gets for one fault. */
interface Result {
  readonly fault: Fault;
  readonly dialect: Dialect;
  readonly streamed: boolean;
  readonly outcome: Outcome;
}

const clients = dialects.flatMap((dialect) => [true, false].map((streamed) => ({ dialect, streamed })));

/** Runs every fault in every dialect: the faults of a dialect one after the other, the dialects at the same time. */
async function runFaults(): Promise<Result[]> {
  const runs = clients.map(async ({ dialect, streamed }) => {
    await using harness = await startHarness(dialect);
    const results: Result[] = [];
    for (const fault of faults) {
      results.push({ fault, dialect, streamed, outcome: await exchangeWith(fault, harness, streamed) });
    }
    return results;
  });
  return (await Promise.all(runs)).flat();
}

/** @returns the results that the fault suite asserts */
export function expectedResults(): Result[] {
  return clients.flatMap(({ dialect, streamed }) =>
    faults.map((fault) => ({ fault, dialect, streamed, outcome: expectedOutcome(fault, dialect, streamed) })),
  );
}

/** @returns the distinct outcomes in words */
function inWords(results: readonly Result[]): string {
  return [...new Set(results.map(({ outcome }) => describeOutcome(outcome)))].join(' or ');
}

/**
 * @returns what clients get, as a Markdown table. A request to an upstream that speaks the client's own API is passed
 *   through; all others are translated.
 */
export function faultTable(allResults: readonly Result[]): string {
  const rows = faults.map((fault) => {
    const results = allResults.filter((result) => result.fault === fault);
    const translated = results.filter(({ dialect }) => !dialect.passedThrough);
    const passedThrough = (kind: Dialect['kind']): string => {
      const ofKind = results.filter(({ dialect }) => dialect.passedThrough && dialect.kind === kind);
      const streamed = inWords(ofKind.filter((result) => result.streamed));
      const whole = inWords(ofKind.filter((result) => !result.streamed));
      return streamed === whole ? whole : `streamed: ${streamed}; not streamed: ${whole}`;
    };
    const [ollama, openai] = [passedThrough('ollama'), passedThrough('openai')];
    return [
      fault.name,
      inWords(translated.filter(({ streamed }) => streamed)),
      inWords(translated.filter(({ streamed }) => !streamed)),
      ollama === openai ? ollama : `${ollama}; kind \`openai\`: ${openai}`,
    ];
  });
  const head = ['Fault of the upstream', 'Translated, streamed', 'Translated, not streamed', 'Passed through'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

if (import.meta.main) process.stdout.write(faultTable(await runFaults()));
