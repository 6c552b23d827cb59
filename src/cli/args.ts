import { parseArgs } from 'node:util';
import type { Flags } from '../config/load.ts';
import { CommandError } from './error.ts';

/** The flags of `keys new` as written: commas still separate what may be many. */
export interface NewKeyFlags {
  readonly name?: string;
  readonly scopes?: string;
  readonly models?: string;
  readonly expires?: string;
}

export type Command =
  | { readonly name: 'help' }
  | { readonly name: 'version' }
  | { readonly name: 'serve'; readonly flags: Flags }
  | { readonly name: 'once'; readonly text: string; readonly flags: Flags }
  | { readonly name: 'keys new'; readonly flags: NewKeyFlags }
  | { readonly name: 'keys list'; readonly flags: Flags }
  | { readonly name: 'check'; readonly file: string };

/**
 * Reads the command line, without interpreter and script.
 * @throws CommandError with exit code 2
 */
export function parseCommand(argv: readonly string[]): Command {
  if (argv.includes('--help') || argv.includes('-h')) return { name: 'help' };
  if (argv.includes('--version')) return { name: 'version' };
  const [word = 'serve', ...rest] = argv;
  if (word.startsWith('-')) return parseServe(argv);
  switch (word) {
    case 'serve':
      return parseServe(rest);
    case 'keys':
      return parseKeys(rest);
    case 'check':
      return parseCheck(rest);
    default:
      throw wrong(`unknown command '${word}'`);
  }
}

function parseServe(args: readonly string[]): Command {
  const { once, ...flags } = parseFlags(args, ['config', 'upstream', 'listen', 'once']);
  return once === undefined ? { name: 'serve', flags } : { name: 'once', text: once, flags };
}

function parseKeys([verb, ...args]: readonly string[]): Command {
  switch (verb) {
    case 'new':
      return { name: 'keys new', flags: parseFlags(args, ['name', 'scopes', 'models', 'expires']) };
    case 'list':
      return { name: 'keys list', flags: parseFlags(args, ['config']) };
    default:
      throw wrong(verb === undefined ? "'keys' needs 'new' or 'list' after it" : `unknown command 'keys ${verb}'`);
  }
}

function parseCheck(args: readonly string[]): Command {
  const [file, ...more] = args;
  if (file === undefined || file.startsWith('-') || more.length > 0) throw wrong("'check' needs one FILE after it");
  return { name: 'check', file };
}

function parseFlags<Name extends string>(args: readonly string[], names: readonly Name[]): { [N in Name]?: string } {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    return parseArgs({ args: [...args], options }).values as { [N in Name]?: string };
  } catch (error) {
    // Node's message may go on for lines about quoting; its first sentence says what is wrong.
    throw wrong((error as Error).message.split(/\.\s/, 1).join());
  }
}

function wrong(message: string): CommandError {
  return new CommandError(`${message} (llamaduct --help shows what there is)`, 2);
}
