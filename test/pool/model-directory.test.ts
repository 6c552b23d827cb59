import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModelCatalog } from '../../src/pool/models/model-catalog.ts';
import { ModelDirectory } from '../../src/pool/models/model-directory.ts';
import { UpstreamClient } from '../../src/upstreams/http/client.ts';
import { backends } from '../../src/upstreams/index.ts';
import { resetting, silent } from '../helpers/answers.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** The catalog of an upstream. @param retryInMs 0 for one that is not ejected */
function catalogOf({ url }: FakeUpstream, retryInMs = 0): { catalog: ModelCatalog } & AsyncDisposable {
  const timeouts = { connect: 5_000, first_byte: 5_000, idle: 5_000 };
  const client = new UpstreamClient({ name: 'a', kind: 'ollama', url }, timeouts, () => undefined);
  return {
    catalog: new ModelCatalog(client, backends.ollama, { retryInMs }),
    [Symbol.asyncDispose]: async () => await client.close(),
  };
}

test('ModelDirectory.reach gives up on a hanging upstream after its deadline', async () => {
  await using hung = await fakeUpstream(plainAnswer());
  hung.list = silent;
  await using one = catalogOf(hung);
  const directory = new ModelDirectory([one.catalog]);
  await assert.rejects(directory.reach(30), { code: 'upstream_timeout' });
  await assert.rejects(directory.reach(30), { code: 'upstream_timeout' });
  await until('the list request', () => hung.lists.length > 0);
  assert.equal(hung.lists.length, 1);
});

test('ModelDirectory.reach resolves when the first upstream answers', async () => {
  await using hung = await fakeUpstream(plainAnswer());
  hung.list = silent;
  await using quick = await fakeUpstream(plainAnswer());
  await using one = catalogOf(hung);
  await using two = catalogOf(quick);
  await new ModelDirectory([one.catalog, two.catalog]).reach(1_000);
});

test('ModelDirectory throws upstream_down without a request when all upstreams are ejected', async () => {
  await using answering = await fakeUpstream(plainAnswer());
  await using one = catalogOf(answering, 3_000);
  await using two = catalogOf(answering, 20_000);
  const down = { code: 'upstream_down', status: 503, retryAfter: 3 };
  const directory = new ModelDirectory([one.catalog, two.catalog]);
  await assert.rejects(directory.list(), down);
  await assert.rejects(directory.reach(1_000), down);
  assert.equal(answering.lists.length, 0);
});

test('ModelCatalog.list shares one request between concurrent calls, and caches its failure', async () => {
  await using failing = await fakeUpstream(plainAnswer());
  const { list } = failing;
  failing.list = resetting;
  await using one = catalogOf(failing);
  const { catalog } = one;
  const error = { code: 'upstream_error' };
  await Promise.all([1, 2, 3].map(async () => await assert.rejects(catalog.list(), error)));
  await assert.rejects(catalog.list(), error);
  assert.deepEqual([failing.lists.length, catalog.failedLastTime], [1, true]);
  failing.list = list;
  assert.equal((await catalog.list(0)).length, 1);
  assert.equal(catalog.failedLastTime, false);
  assert.equal((await catalog.list()).length, 1);
  assert.equal(failing.lists.length, 2);
});
