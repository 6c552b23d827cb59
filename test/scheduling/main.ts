/** Compares queue disciplines for the same requests in a Markdown table: `node test/scheduling/main.ts [SEED...]`. */
import { argv } from 'node:process';
import { type Measures, measures } from './measures.ts';
import { firstCome, type Policy, type Scenario, scenarios, scheduled, simulate } from './simulation.ts';

const seeds = argv.length > 2 ? argv.slice(2).map(Number) : [1, 2, 3, 4, 5];
const policies: readonly { readonly name: string; readonly policy: (scenario: Scenario) => Policy }[] = [
  { name: 'first come, first served', policy: firstCome },
  { name: 'deficit round robin', policy: (scenario) => scheduled(scenario, { maxExtraWait: 0 }) },
  { name: 'deficit round robin, swap-aware', policy: (scenario) => scheduled(scenario) },
];

/** @returns the mean over the seeds, and their range */
function cell(runs: readonly Measures[], name: keyof Measures, digits = 0): string {
  const values = runs.map((run) => run[name]);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${mean.toFixed(digits)} (${least}–${most})`;
}

const print = (...cells: string[]): void => console.log(`| ${cells.join(' | ')} |`);

console.log(`seeds ${seeds.join(', ')}: mean (least–most)\n`);
print('load', 'queue', 'swaps', 'tokens/s', 'p50 wait, s', 'p99 wait, s', "Jain's index");
print('---', '---', '---:', '---:', '---:', '---:', '---:');
for (const { name: load, scenario } of scenarios) {
  for (const { name, policy } of policies) {
    const runs = seeds.map((seed) => {
      const seeded = { ...scenario, seed };
      return measures(simulate(seeded, policy(seeded)), seeded.duration);
    });
    const waits = (['p50', 'p99'] as const).map((wait) => cell(runs, wait));
    print(load, name, cell(runs, 'swaps'), cell(runs, 'tokensPerSecond'), ...waits, cell(runs, 'fairness', 3));
  }
}
