import assert from 'node:assert/strict';
import {
  appendFileSync,
  linkSync,
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

/** Milliseconds within which a change would have been reported. */
const quietPeriod = 600;

interface Watched {
  /** Waits for the next change to be reported, and asserts that it is reported once. */
  readonly expectChange: () => Promise<void>;
  /** Asserts that nothing is reported for as long as a report could take. */
  readonly expectNone: () => Promise<void>;
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
    async expectChange() {
      expected += 1;
      await until('the change to be reported', () => changes >= expected);
      assert.equal(changes, expected);
    },
    async expectNone() {
      await sleep(quietPeriod);
      assert.equal(changes, expected);
    },
  };
}

/** Creates a file in its own folder. */
function createFile(t: TestContext, text = 'a'): string {
  const file = join(scratch(t), 'llamaduct.yaml');
  writeFileSync(file, text);
  return file;
}

/** Replaces a file or symbolic link atomically. */
function replace(file: string, create: (temporary: string) => void): void {
  create(`${file}.tmp`);
  renameSync(`${file}.tmp`, file);
}

test('watchFile reports a file that is written in place, once for several writes', async (t) => {
  const file = createFile(t);
  const { expectChange, expectNone } = await watched(t, file);
  writeFileSync(file, 'b');
  appendFileSync(file, 'c');
  await expectChange();
  await expectNone();
  writeFileSync(file, 'c');
  await expectChange();
});

test('watchFile reports a file each time it is replaced', async (t) => {
  const file = createFile(t);
  const { expectChange } = await watched(t, file);
  for (const text of ['b', 'c', 'd']) {
    replace(file, (temporary) => writeFileSync(temporary, text));
    await expectChange();
  }
});

test('watchFile ignores a file that is touched or replaced with the same content', async (t) => {
  const file = createFile(t);
  const { expectChange, expectNone } = await watched(t, file);
  utimesSync(file, new Date(), new Date());
  writeFileSync(file, 'a');
  replace(file, (temporary) => writeFileSync(temporary, 'a'));
  await expectNone();
  writeFileSync(file, 'b');
  await expectChange();
});

test('watchFile reports a file that was removed once it is back with other content', async (t) => {
  const file = createFile(t);
  const { expectChange, expectNone } = await watched(t, file);
  rmSync(file);
  await expectNone();
  writeFileSync(file, 'a');
  await expectNone();
  rmSync(file);
  writeFileSync(file, 'b');
  await expectChange();
});

test('watchFile reports a missing file once it is created', async (t) => {
  const file = join(scratch(t), 'later.yaml');
  const { expectChange } = await watched(t, file);
  writeFileSync(file, 'a');
  await expectChange();
});

test('watchFile follows a symbolic link that is replaced as Kubernetes replaces ConfigMaps', async (t) => {
  const folder = scratch(t);
  const version = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'llamaduct.yaml'), text);
  };
  const data = join(folder, '..data');
  version('..one', 'a');
  symlinkSync('..one', data);
  symlinkSync(join('..data', 'llamaduct.yaml'), join(folder, 'llamaduct.yaml'));
  const { expectChange, expectNone } = await watched(t, join(folder, 'llamaduct.yaml'));
  for (const [name, text, before] of [
    ['..two', 'b', '..one'],
    ['..three', 'c', '..two'],
  ] as const) {
    version(name, text);
    replace(data, (temporary) => symlinkSync(name, temporary));
    rmSync(join(folder, before), { recursive: true });
    await expectChange();
  }
  writeFileSync(join(folder, '..three', 'llamaduct.yaml'), 'd');
  await expectChange();
  version('..four', 'd');
  replace(data, (temporary) => symlinkSync('..four', temporary));
  await expectNone();
});

test('watchFile follows symbolic links anywhere on the path', async (t) => {
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
    await Promise.all([direct.expectChange(), linked.expectChange()]);
  }
  writeFileSync(join(releases, 'three', 'llamaduct.yaml'), 'four');
  await Promise.all([direct.expectChange(), linked.expectChange()]);
});

test('watchFile treats a loop of symbolic links like a missing file', async (t) => {
  const file = join(scratch(t), 'loop.yaml');
  symlinkSync('loop.yaml', file);
  const { expectChange } = await watched(t, file);
  rmSync(file);
  writeFileSync(file, 'a');
  await expectChange();
});

test('watchFile ignores constant writes to other files in the folder', async (t) => {
  const file = createFile(t);
  const { expectChange, expectNone } = await watched(t, file);
  const busy = setInterval(() => appendFileSync(`${file}.db-wal`, 'x'), 10);
  t.after(() => clearInterval(busy));
  writeFileSync(join(file, '..', '.llamaduct.yaml.new'), 'b');
  await expectNone();
  writeFileSync(file, 'b');
  await expectChange();
});

test('stop() also cancels a change that is about to be reported', async (t) => {
  const file = createFile(t);
  const { expectNone, stop } = await watched(t, file);
  writeFileSync(file, 'b');
  // Time for the event of the operating system to arrive.
  await sleep(20);
  stop();
  writeFileSync(file, 'c');
  await expectNone();
});

test('watchFile reports an edit without an event: of a mounted file, or on a network file system', async (t) => {
  const [file, outside] = [join(scratch(t), 'llamaduct.yaml'), join(scratch(t), 'llamaduct.yaml')];
  writeFileSync(outside, 'a');
  linkSync(outside, file);
  const { expectChange } = await watched(t, file);
  for (const text of ['b', 'c']) {
    writeFileSync(outside, text);
    await expectChange();
  }
});

test('watchFile reports a file in a folder that is replaced, and edits after that', async (t) => {
  const folder = join(scratch(t), 'etc');
  const file = join(folder, 'llamaduct.yaml');
  const { expectChange } = await watched(t, file);
  for (const text of ['a', 'b']) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    writeFileSync(file, text);
    await expectChange();
  }
  writeFileSync(file, 'c');
  await expectChange();
});

test('watchFile does not report a file while it is being written', async (t) => {
  const file = createFile(t);
  const { expectChange, expectNone } = await watched(t, file);
  writeFileSync(file, '');
  await expectNone();
  for (let part = 0; part < 20; part += 1) {
    appendFileSync(file, 'part of it\n');
    await sleep(part % 5 === 4 ? 150 : 20);
  }
  await expectChange();
  await expectNone();
});

test('watchFile reports a file that stays missing, and its return with the same content', async (t) => {
  const file = createFile(t);
  const changes: number[] = [];
  t.after(await watchFile(file, () => changes.push(changes.length)));
  rmSync(file);
  await until('its absence to be reported', () => changes.length === 1, 10_000);
  writeFileSync(file, 'a');
  await until('its return to be reported', () => changes.length === 2);
});

test('watchFile does not fail when the folder is missing', async (t) => {
  const { expectNone } = await watched(t, join(scratch(t), 'no', 'such', 'folder', 'llamaduct.yaml'));
  await expectNone();
});
