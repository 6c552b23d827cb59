import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, parseCommand } from '../../src/cli/args.ts';

const valid: readonly [line: string, command: Command][] = [
  ['', { name: 'serve', flags: {} }],
  ['serve', { name: 'serve', flags: {} }],
  ['--config f --upstream u --listen l', { name: 'serve', flags: { config: 'f', upstream: 'u', listen: 'l' } }],
  ['serve --listen=l', { name: 'serve', flags: { listen: 'l' } }],
  ['--once hello', { name: 'once', text: 'hello', flags: {} }],
  ['serve --once hello --config f', { name: 'once', text: 'hello', flags: { config: 'f' } }],
  [
    'keys new --name a --scopes x,y --models m --expires e',
    { name: 'keys new', flags: { name: 'a', scopes: 'x,y', models: 'm', expires: 'e' } },
  ],
  ['keys new --name a --group g --config f', { name: 'keys new', flags: { name: 'a', group: 'g', config: 'f' } }],
  ['keys revoke a --config f', { name: 'keys revoke', keyName: 'a', flags: { config: 'f' } }],
  ['keys rotate --keep 24h a', { name: 'keys rotate', keyName: 'a', flags: { keep: '24h' } }],
  ['keys list --config f', { name: 'keys list', flags: { config: 'f' } }],
  ['check f', { name: 'check', file: 'f' }],
  ['--help', { name: 'help' }],
  ['keys new -h', { name: 'help' }],
  ['--version', { name: 'version' }],
];

for (const [line, command] of valid) {
  test(`parseCommand accepts: llamaduct ${line}`, () =>
    assert.deepEqual(structuredClone(parseCommand(words(line))), command));
}

const invalid: readonly [line: string, message: string][] = [
  ['--foo', "Unknown option '--foo'"],
  ['keys list --once x', "Unknown option '--once'"],
  ['serve now', "Unexpected argument 'now'"],
  ['--listen', "Option '--listen <value>' argument missing"],
  ['--once --listen', "Option '--once' argument is ambiguous"],
  ['start', "unknown command 'start'"],
  ['keys', "'keys' needs a command: new, list, revoke or rotate"],
  ['keys revoke', "'keys revoke' needs one NAME"],
  ['keys rotate a b', "'keys rotate' needs one NAME"],
  ['keys revoke a --keep 1h', "Unknown option '--keep'"],
  ['keys remove', "unknown command 'keys remove'"],
  ['check', "'check' needs one FILE"],
  ['check a b', "'check' needs one FILE"],
];

for (const [line, message] of invalid) {
  test(`parseCommand rejects with one line: llamaduct ${line}`, () => {
    const expected = {
      name: 'CommandError',
      exitCode: 2,
      message: `${message} (see llamaduct --help)`,
    };
    assert.throws(() => parseCommand(words(line)), expected);
  });
}

function words(line: string): string[] {
  return line.split(' ').filter(Boolean);
}
