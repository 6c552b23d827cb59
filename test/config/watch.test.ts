import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchFile } from '../../src/config/watch/watch-file.ts';
import { until } from '../helpers/wait.ts';

/** Milliseconds after which a change would have been told. */
const long = 350;

interface Watched {
  /** Waits until one more change was told, and that it was one. */
  readonly told: () => Promise<void>;
  /** Waits as long as a change might take to be told, and that none was. */
  readonly silent: () => Promise<void>;
  readonly stop: () => void;
}

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-watch-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function watched(t: TestContext, file: string): Promise<Watched> {
  let changes = 0;
  let expected = 0;
  const stop = await watchFile(file, () => (changes += 1));
  t.after(stop);
  return {
    stop,
    async told() {
      expected += 1;
      await until('the change to be told', () => changes >= expected);
      assert.equal(changes, expected);
    },
    async silent() {
      await sleep(long);
      assert.equal(changes, expected);
    },
  };
}

/** A file in a folder of its own. */
function written(t: TestContext, text = 'a'): string {
  const file = join(scratch(t), 'llamaduct.yaml');
  writeFileSync(file, text);
  return file;
}

/** Replaces a file, or a link, in one step. */
function replace(file: string, make: (temporary: string) => void): void {
  make(`${file}.tmp`);
  renameSync(`${file}.tmp`, file);
}

test('a file that is written in place is told of, in however many steps: once', async (t) => {
  const file = written(t);
  const { told, silent } = await watched(t, file);
  writeFileSync(file, 'b');
  appendFileSync(file, 'c');
  await told();
  await silent();
  writeFileSync(file, 'c');
  await told();
});

test('a file that is replaced is told of, each time', async (t) => {
  const file = written(t);
  const { told } = await watched(t, file);
  for (const text of ['b', 'c', 'd']) {
    replace(file, (temporary) => writeFileSync(temporary, text));
    await told();
  }
});

test('a file that is only touched, or replaced by its like, is not told of', async (t) => {
  const file = written(t);
  const { told, silent } = await watched(t, file);
  utimesSync(file, new Date(), new Date());
  writeFileSync(file, 'a');
  replace(file, (temporary) => writeFileSync(temporary, 'a'));
  await silent();
  writeFileSync(file, 'b');
  await told();
});

test('a file that is missing for a moment is told of when it is back and another', async (t) => {
  const file = written(t);
  const { told, silent } = await watched(t, file);
  rmSync(file);
  await silent();
  writeFileSync(file, 'a');
  await silent();
  rmSync(file);
  writeFileSync(file, 'b');
  await told();
});

test('a file that is not there yet is told of once it is', async (t) => {
  const file = join(scratch(t), 'later.yaml');
  const { told } = await watched(t, file);
  writeFileSync(file, 'a');
  await told();
});

test('a link that is swapped as Kubernetes does is told of, and what it leads to then is watched', async (t) => {
  const folder = scratch(t);
  const version = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'llamaduct.yaml'), text);
  };
  const data = join(folder, '..data');
  version('..one', 'a');
  symlinkSync('..one', data);
  symlinkSync(join('..data', 'llamaduct.yaml'), join(folder, 'llamaduct.yaml'));
  const { told, silent } = await watched(t, join(folder, 'llamaduct.yaml'));
  for (const [name, text, before] of [
    ['..two', 'b', '..one'],
    ['..three', 'c', '..two'],
  ] as const) {
    version(name, text);
    replace(data, (temporary) => symlinkSync(name, temporary));
    rmSync(join(folder, before), { recursive: true });
    await told();
  }
  writeFileSync(join(folder, '..three', 'llamaduct.yaml'), 'd');
  await told();
  version('..four', 'd');
  replace(data, (temporary) => symlinkSync('..four', temporary));
  await silent();
});

test('a link on the way to the file counts, wherever it is', async (t) => {
  const [releases, folder] = [scratch(t), scratch(t)];
  for (const name of ['one', 'two', 'three']) {
    mkdirSync(join(releases, name));
    writeFileSync(join(releases, name, 'llamaduct.yaml'), name);
  }
  const current = join(releases, 'current');
  symlinkSync('one', current);
  symlinkSync(join(current, 'llamaduct.yaml'), join(folder, 'llamaduct.yaml'));
  const direct = await watched(t, join(current, 'llamaduct.yaml'));
  const linked = await watched(t, join(folder, 'llamaduct.yaml'));
  for (const name of ['two', 'three']) {
    replace(current, (temporary) => symlinkSync(name, temporary));
    await Promise.all([direct.told(), linked.told()]);
  }
  writeFileSync(join(releases, 'three', 'llamaduct.yaml'), 'four');
  await Promise.all([direct.told(), linked.told()]);
});

test('a loop of links is watched like any other file that cannot be read', async (t) => {
  const file = join(scratch(t), 'loop.yaml');
  symlinkSync('loop.yaml', file);
  const { told } = await watched(t, file);
  rmSync(file);
  writeFileSync(file, 'a');
  await told();
});

test('what is written beside the file without end does not hold it up, and is not told of', async (t) => {
  const file = written(t);
  const { told, silent } = await watched(t, file);
  const busy = setInterval(() => appendFileSync(`${file}.db-wal`, 'x'), 10);
  t.after(() => clearInterval(busy));
  writeFileSync(join(file, '..', '.llamaduct.yaml.new'), 'b');
  await silent();
  writeFileSync(file, 'b');
  await told();
});

test('stop() stops, also a change that is about to be told', async (t) => {
  const file = written(t);
  const { silent, stop } = await watched(t, file);
  writeFileSync(file, 'b');
  // So that the system has told of it.
  await sleep(20);
  stop();
  writeFileSync(file, 'c');
  await silent();
});

test('a directory that cannot be watched is no error', async (t) => {
  const { silent } = await watched(t, join(scratch(t), 'no', 'such', 'folder', 'llamaduct.yaml'));
  await silent();
});
