import type { Upstream } from '../pool/upstream.ts';
import { detailsDeadline } from '../pool/models/model-catalog.ts';
import { askUpstream } from '../upstreams/http/read.ts';
import { Cached } from './cached.ts';

/** The facts that are read from a server while somebody looks at the board. */
export interface ServerReads {
  /** The version that the server reports; undefined if it does not answer, or reports none. */
  readonly version: string | undefined;
}

const reads = new WeakMap<Upstream, Cached<ServerReads>>();

/** Reads a server's version and which models it holds in memory, which its catalog keeps. Never rejects. */
export async function readServer(upstream: Upstream): Promise<ServerReads> {
  let cached = reads.get(upstream);
  if (cached === undefined) {
    cached = new Cached(async () => await ask(upstream));
    reads.set(upstream, cached);
  }
  return await cached.get();
}

async function ask({ backend, catalog, client, health }: Upstream): Promise<ServerReads> {
  if (health.retryInMs > 0) return { version: undefined };
  const question = backend.version;
  const asking = question && askUpstream(client, backend, question, detailsDeadline).catch(() => undefined);
  const [version] = await Promise.all([asking, catalog.loaded()]);
  return { version };
}
