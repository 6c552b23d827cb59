import type { Exchange } from '../../exchange/exchange.ts';
import { withTimeout } from '../../with-timeout.ts';
import { detailsDeadline } from './model-catalog.ts';
import type { Unlisted, Upstream } from '../upstream.ts';

/**
 * True for a request that need not wait for a slot, because the server refuses it at once: it does not list the model, not
 * even now. Where that is not certain, one request at a time finds it out.
 */
export async function isRefusedAtOnce(
  { catalog, queue, unlisted }: Upstream,
  model: string,
  exchange: Exchange,
): Promise<boolean> {
  if (model === '' || catalog.has(model) || unlisted.known === 'serves') return false;
  // With a free slot it does not wait.
  if (queue === undefined || queue.delayFor('').wait === 0) return false;
  await withTimeout(
    detailsDeadline,
    catalog.list().catch(() => undefined),
  );
  if (catalog.has(model) || catalog.listed.length === 0 || catalog.failedLastTime) return false;
  if (unlisted.known === undefined && unlisted.asking !== undefined) {
    await withTimeout(detailsDeadline, unlisted.asking);
    return isRefusing(unlisted);
  }
  const asked = Promise.withResolvers<void>();
  unlisted.asking = asked.promise;
  exchange.onEnd(({ outcome, failure }) => {
    unlisted.asking = undefined;
    if (outcome === 'ok') unlisted.known = 'serves';
    else if (failure?.code === 'model_not_found' || exchange.status === 404) unlisted.known = 'refuses';
    asked.resolve();
  });
  return true;
}

/** A function, because `known` may have changed during a wait. */
function isRefusing({ known }: Unlisted): boolean {
  return known === 'refuses';
}
