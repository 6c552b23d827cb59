import { parseArgs } from 'node:util';
import type { Flags } from '../config/load.ts';
import { CommandError } from './error.ts';

/** The flags of `keys new`, unparsed: `scopes` and `models` are lists separated by commas. */
export interface NewKeyFlags {
  readonly name?: string;
  readonly scopes?: string;
  readonly models?: string;
  readonly group?: string;
  readonly expires?: string;
  /** The configuration file to add the key to. */
  readonly config?: string;
}

/** The flags of `keys revoke` and `keys rotate`. */
export interface ChangeKeyFlags {
  readonly config?: string;
  /** How long the previous secret stays valid, for example `24h`. */
  readonly keep?: string;
}

/** The flags of `usage`, unparsed. */
export interface UsageFlags {
  readonly by?: string;
  readonly since?: string;
  readonly config?: string;
  readonly json?: boolean;
}

export type Command =
  | { readonly name: 'help' }
  | { readonly name: 'version' }
  | { readonly name: 'serve'; readonly flags: Flags }
  | { readonly name: 'once'; readonly text: string; readonly flags: Flags }
  | { readonly name: 'keys new'; readonly flags: NewKeyFlags }
  | { readonly name: 'keys list'; readonly flags: Flags }
  | { readonly name: 'keys revoke'; readonly keyName: string; readonly flags: ChangeKeyFlags }
  | { readonly name: 'keys rotate'; readonly keyName: string; readonly flags: ChangeKeyFlags }
  | { readonly name: 'usage'; readonly flags: UsageFlags }
  | { readonly name: 'check'; readonly file: string };

/**
 * Parses the command line.
 *
 * @param argv the arguments after the interpreter and the script
 * @throws {CommandError} with exit code 2 when the command line is invalid
 */
export function parseCommand(argv: readonly string[]): Command {
  if (argv.includes('--help') || argv.includes('-h')) return { name: 'help' };
  if (argv.includes('--version')) return { name: 'version' };
  const [command = 'serve', ...rest] = argv;
  if (command.startsWith('-')) return parseServe(argv);
  switch (command) {
    case 'serve':
      return parseServe(rest);
    case 'keys':
      return parseKeys(rest);
    case 'usage':
      return parseUsage(rest);
    case 'check':
      return parseCheck(rest);
    default:
      throw usageError(`unknown command '${command}'`);
  }
}

function parseServe(args: readonly string[]): Command {
  const { once, ...flags } = parseFlags(args, ['config', 'upstream', 'listen', 'once']);
  return once === undefined ? { name: 'serve', flags } : { name: 'once', text: once, flags };
}

function parseKeys([verb, ...args]: readonly string[]): Command {
  switch (verb) {
    case 'new':
      return { name: 'keys new', flags: parseFlags(args, ['name', 'scopes', 'models', 'group', 'expires', 'config']) };
    case 'list':
      return { name: 'keys list', flags: parseFlags(args, ['config']) };
    case 'revoke':
      return { name: 'keys revoke', ...parseKeyName(verb, args, ['config']) };
    case 'rotate':
      return { name: 'keys rotate', ...parseKeyName(verb, args, ['config', 'keep']) };
    default:
      throw usageError(
        verb === undefined ? "'keys' needs a command: new, list, revoke or rotate" : `unknown command 'keys ${verb}'`,
      );
  }
}

/** Parses one NAME, before or after the flags. */
function parseKeyName<Flag extends string>(
  verb: string,
  args: readonly string[],
  flagNames: readonly Flag[],
): { readonly keyName: string; readonly flags: { [F in Flag]?: string } } {
  const { values: flags, positionals } = parse(args, flagNames, true);
  const [keyName, ...extra] = positionals;
  if (keyName === undefined || extra.length > 0) throw usageError(`'keys ${verb}' needs one NAME`);
  return { keyName, flags };
}

function parseUsage(args: readonly string[]): Command {
  const json = args.includes('--json');
  const rest = args.filter((arg) => arg !== '--json');
  return { name: 'usage', flags: { ...parseFlags(rest, ['by', 'since', 'config']), json } };
}

function parseCheck(args: readonly string[]): Command {
  const [file, ...extra] = args;
  if (file === undefined || file.startsWith('-') || extra.length > 0) throw usageError("'check' needs one FILE");
  return { name: 'check', file };
}

function parseFlags<Flag extends string>(
  args: readonly string[],
  flagNames: readonly Flag[],
): { [F in Flag]?: string } {
  return parse(args, flagNames, false).values;
}

function parse<Flag extends string>(
  args: readonly string[],
  flagNames: readonly Flag[],
  allowPositionals: boolean,
): { readonly values: { [F in Flag]?: string }; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(flagNames.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals });
    return { values: values as { [F in Flag]?: string }, positionals };
  } catch (error) {
    // Node's message may continue with several lines about quoting; the first sentence is enough.
    throw usageError((error as Error).message.split(/\.\s/, 1).join());
  }
}

function usageError(message: string): CommandError {
  return new CommandError(`${message} (see llamaduct --help)`, 2);
}
