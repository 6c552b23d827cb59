import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import type { FakeUpstream } from '../helpers/upstream.ts';
import { searching } from './origin.ts';

/** Starts llamaduct in front of a model that takes one request at a time. */
export async function oneSlot(upstream: FakeUpstream, origin: FakeUpstream): Promise<TestGateway> {
  return await testGateway(upstream, {
    ...searching(origin),
    upstream: { parallel: 1 },
    timeouts: { grace: '100ms' },
  });
}
