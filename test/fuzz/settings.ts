import fc from 'fast-check';

/** Number of cases of all properties together. */
const runs = Number(process.env['LLAMADUCT_FUZZ_RUNS'] ?? 100_000);

/** Each property gets the same cases for the same seed. */
const seed = Number(process.env['LLAMADUCT_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Tests a property with its share of all cases.
 *
 * @param share share of all cases: 0.1 for a tenth
 * @throws {Error} when the property fails: with the smallest failing case found, and the seed that repeats it
 */
export async function check<Cases extends [unknown, ...unknown[]]>(
  share: number,
  property: fc.IAsyncProperty<Cases> | fc.IProperty<Cases>,
): Promise<void> {
  const details = await fc.check(property as fc.IAsyncProperty<Cases>, {
    seed,
    numRuns: Math.max(1, Math.round(runs * share)),
    // Shrinking a slow case could take forever.
    interruptAfterTimeLimit: 300_000,
    markInterruptAsFailure: true,
  });
  if (!details.failed) return;
  const environment = `LLAMADUCT_FUZZ_SEED=${seed} LLAMADUCT_FUZZ_RUNS=${runs}`;
  throw new Error(`${environment}\n${fc.defaultReportMessage(details) ?? ''}`, { cause: details.errorInstance });
}
