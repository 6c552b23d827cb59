import { createHash } from 'node:crypto';

/** A server that could take a request. Times in milliseconds. */
export interface Candidate {
  readonly name: string;
  /** Its capacity relative to the others, above 0. */
  readonly weight: number;
  /** Time until a request that came now would get a slot. */
  readonly wait: number;
  /** Time to load the model; 0 if it is in memory or need not be. */
  readonly load: number;
  /** Number of requests that it serves or that wait for it. */
  readonly outstanding: number;
}

/** Factor by which a server may exceed its share of requests to keep conversations on a warm prompt cache. */
const overload = 1.25;

/**
 * Ranks servers. Those that would start the request soonest come first: a busy server that has the model in memory loses to an
 * idle one as soon as waiting takes longer than loading. Among servers that differ by at most `slack`, a conversation stays
 * where it was, for its prompt cache, unless that server has more than its share (consistent hashing with bounded loads).
 *
 * @param conversation identifies the conversation; undefined for none
 * @param slack milliseconds that a prompt cache is worth
 * @see https://research.google/blog/consistent-hashing-with-bounded-loads/
 */
export function rankUpstreams<Ranked extends Candidate>(
  candidates: readonly Ranked[],
  conversation: string | undefined,
  slack: number,
): Ranked[] {
  const soonest = Math.min(...candidates.map(delay));
  const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const all = candidates.reduce((sum, { outstanding }) => sum + outstanding, 1);
  const hasRoom = ({ outstanding, weight }: Candidate): boolean =>
    outstanding + 1 <= Math.ceil((overload * all * weight) / weights);
  const rank = (candidate: Candidate): number => (delay(candidate) > soonest + slack ? 2 : hasRoom(candidate) ? 0 : 1);
  const ranked = candidates.map((candidate) => ({
    candidate,
    rank: rank(candidate),
    affinity: conversation === undefined ? 0 : -score(candidate, conversation),
  }));
  ranked.sort(
    (a, b) =>
      a.rank - b.rank ||
      (a.rank === 2 ? delay(a.candidate) - delay(b.candidate) : 0) ||
      a.affinity - b.affinity ||
      delay(a.candidate) - delay(b.candidate) ||
      a.candidate.outstanding / a.candidate.weight - b.candidate.outstanding / b.candidate.weight,
  );
  return ranked.map(({ candidate }) => candidate);
}

function delay({ wait, load }: Candidate): number {
  return wait + load;
}

/**
 * Weighted rendezvous hashing: if a server leaves, only its own conversations move.
 *
 * @see https://datatracker.ietf.org/doc/html/draft-mohanty-bess-weighted-hrw
 */
function score({ name, weight }: Candidate, conversation: string): number {
  const digest = createHash('sha1').update(name).update('\0').update(conversation).digest();
  const uniform = (digest.readUInt32BE(0) + 0.5) / 2 ** 32;
  return -weight / Math.log(uniform);
}
