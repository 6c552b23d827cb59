import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, assertServes, bench, codeLogged, idle, outcomeOf } from './bench.ts';
import { dialects } from './dialects.ts';
import { faults } from './faults.ts';
import { type Wire, wholly } from './upstream.ts';

/** Milliseconds until a stream says that there is nothing yet, and until the upstream fails. */
const [silence, late] = [40, 120];
const settings = { timeouts: { silence: `${silence}ms`, first_byte: '10s', idle: '10s', grace: '100ms' } };

const named = ['reset before the headers', 'reset after the first line', '400', '503', 'a body that is not JSON'];
const some = faults.filter(({ name }) => named.includes(name));

suite('after a silence', { concurrency: true }, () => {
  for (const dialect of dialects) {
    const { path, kind, passed } = dialect;
    // Lines have no way to say that there is nothing yet.
    const says = path.startsWith('/v1/');
    for (const fault of some) {
      test(`${fault.name}: ${path} in front of ${kind}`, async () => {
        await using on = await bench(dialect, settings);
        on.upstream.inject = async (wire: Wire) => {
          await sleep(late);
          await fault.inject(wire);
        };
        const got = await ask(on, true);
        const code = await codeLogged(on.gateway);
        if (says) assert.match(got.bytes.toString('utf8'), /^: waiting for the model\n\n/);
        const gets = (
          passed ? ((kind === 'openai' ? fault.passedOpenai : undefined) ?? fault.passed) : fault.translated
        ).streamed;
        const expected = says ? gets.replace(/^\d+/, 'event') : gets;
        // Its bytes come after the comments.
        if (says && passed && gets === 'as it is') assert.match(got.bytes.toString('utf8'), /A proxy speaks/);
        else assert.equal(outcomeOf(on, got, true, code, on.upstream.wires[0]), expected);
        await idle(on.gateway);
        await assertServes(on, true);
      });
    }

    test(`the answer: ${path} in front of ${kind}`, async () => {
      await using on = await bench(dialect, settings);
      on.upstream.inject = async (wire: Wire) => {
        await sleep(late);
        await wholly(wire);
      };
      const got = await ask(on, true);
      assert.equal(outcomeOf(on, got, true, await codeLogged(on.gateway), on.upstream.wires[0]), 'answer');
      await idle(on.gateway);
    });
  }
});
