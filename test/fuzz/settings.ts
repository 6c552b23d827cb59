import fc from 'fast-check';

/** Cases of all parts together. */
const runs = Number(process.env['LLAMADUCT_FUZZ_RUNS'] ?? 100_000);

/** The same seed gives the same cases, each part its own. */
const seed = Number(process.env['LLAMADUCT_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Tries a property on its share of all cases. Where it fails, the error holds the smallest case that was found, and the
 * seed with which to see it again.
 *
 * @param share of all cases, 0.1 for a tenth
 */
export async function check<Cases extends [unknown, ...unknown[]]>(
  share: number,
  property: fc.IAsyncProperty<Cases> | fc.IProperty<Cases>,
): Promise<void> {
  const details = await fc.check(property as fc.IAsyncProperty<Cases>, {
    seed,
    numRuns: Math.max(1, Math.round(runs * share)),
    // Shrinking a case that takes long could take for ever.
    interruptAfterTimeLimit: 300_000,
    markInterruptAsFailure: true,
  });
  if (!details.failed) return;
  const again = `LLAMADUCT_FUZZ_SEED=${seed} LLAMADUCT_FUZZ_RUNS=${runs}`;
  throw new Error(`${again}\n${fc.defaultReportMessage(details) ?? ''}`, { cause: details.errorInstance });
}
