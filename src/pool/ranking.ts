import { createHash } from 'node:crypto';

/** What is known of an upstream that could take a request. Times in milliseconds. */
export interface Candidate {
  readonly name: string;
  /** How much it can do, against the others. Above 0. */
  readonly weight: number;
  /** Until a request that came now would get its turn there. */
  readonly wait: number;
  /** Loading the model there: 0 where it is in memory, or needs not be. */
  readonly load: number;
  /** Requests that it has, and that wait for it. */
  readonly outstanding: number;
}

/** How much more than its share an upstream may have for the sake of its prompt cache. */
const overload = 1.25;

/**
 * The order in which to ask upstreams. First come those that would begin soonest: a busy one that holds the model loses to
 * an idle one as soon as waiting takes longer than loading. Among those that are equal up to `slack`, the conversation
 * stays where it was, for the sake of the prompt cache, as long as that one has not more than its share: consistent
 * hashing with bounded loads.
 *
 * @param conversation what all requests of a conversation have in common; undefined for what is none
 * @param slack milliseconds that a prompt cache is worth
 * @see https://research.google/blog/consistent-hashing-with-bounded-loads/
 */
export function rankUpstreams<One extends Candidate>(
  candidates: readonly One[],
  conversation: string | undefined,
  slack: number,
): One[] {
  const soonest = Math.min(...candidates.map(delay));
  const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const all = candidates.reduce((sum, { outstanding }) => sum + outstanding, 1);
  const hasRoom = ({ outstanding, weight }: Candidate): boolean =>
    outstanding + 1 <= Math.ceil((overload * all * weight) / weights);
  const rank = (one: Candidate): number => (delay(one) > soonest + slack ? 2 : hasRoom(one) ? 0 : 1);
  const ranked = candidates.map((one) => ({
    one,
    rank: rank(one),
    affinity: conversation === undefined ? 0 : -score(one, conversation),
  }));
  ranked.sort(
    (a, b) =>
      a.rank - b.rank ||
      (a.rank === 2 ? delay(a.one) - delay(b.one) : 0) ||
      a.affinity - b.affinity ||
      delay(a.one) - delay(b.one) ||
      a.one.outstanding / a.one.weight - b.one.outstanding / b.one.weight,
  );
  return ranked.map(({ one }) => one);
}

function delay({ wait, load }: Candidate): number {
  return wait + load;
}

/**
 * Weighted rendezvous hashing: who leaves takes along its own conversations only.
 *
 * @see https://datatracker.ietf.org/doc/html/draft-mohanty-bess-weighted-hrw
 */
function score({ name, weight }: Candidate, conversation: string): number {
  const digest = createHash('sha1').update(name).update('\0').update(conversation).digest();
  const uniform = (digest.readUInt32BE(0) + 0.5) / 2 ** 32;
  return -weight / Math.log(uniform);
}
