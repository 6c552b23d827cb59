import { parseArgs } from 'node:util';
import type { Flags } from '../config/load.ts';
import { CommandError } from './error.ts';

/** The flags of `keys new` as written: commas still separate what may be many. */
export interface NewKeyFlags {
  readonly name?: string;
  readonly scopes?: string;
  readonly models?: string;
  readonly group?: string;
  readonly expires?: string;
  /** The file that gets the key. */
  readonly config?: string;
}

/** The flags of what changes a key that there is. */
export interface ChangeKeyFlags {
  readonly config?: string;
  /** For how long the secret before stays valid. */
  readonly keep?: string;
}

/** The flags of `usage` as written. */
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
  | { readonly name: 'keys revoke'; readonly holder: string; readonly flags: ChangeKeyFlags }
  | { readonly name: 'keys rotate'; readonly holder: string; readonly flags: ChangeKeyFlags }
  | { readonly name: 'usage'; readonly flags: UsageFlags }
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
    case 'usage':
      return parseUsage(rest);
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
      return { name: 'keys new', flags: parseFlags(args, ['name', 'scopes', 'models', 'group', 'expires', 'config']) };
    case 'list':
      return { name: 'keys list', flags: parseFlags(args, ['config']) };
    case 'revoke':
      return { name: 'keys revoke', ...parseHolder(verb, args, ['config']) };
    case 'rotate':
      return { name: 'keys rotate', ...parseHolder(verb, args, ['config', 'keep']) };
    default:
      throw wrong(
        verb === undefined
          ? "'keys' needs 'new', 'list', 'revoke' or 'rotate' after it"
          : `unknown command 'keys ${verb}'`,
      );
  }
}

/** The one NAME, before or behind the flags. */
function parseHolder<Name extends string>(
  verb: string,
  args: readonly string[],
  names: readonly Name[],
): { readonly holder: string; readonly flags: { [N in Name]?: string } } {
  const { values: flags, positionals } = parse(args, names, true);
  const [holder, ...more] = positionals;
  if (holder === undefined || more.length > 0) throw wrong(`'keys ${verb}' needs one NAME after it`);
  return { holder, flags };
}

function parseUsage(args: readonly string[]): Command {
  const json = args.includes('--json');
  const others = args.filter((arg) => arg !== '--json');
  return { name: 'usage', flags: { ...parseFlags(others, ['by', 'since', 'config']), json } };
}

function parseCheck(args: readonly string[]): Command {
  const [file, ...more] = args;
  if (file === undefined || file.startsWith('-') || more.length > 0) throw wrong("'check' needs one FILE after it");
  return { name: 'check', file };
}

function parseFlags<Name extends string>(args: readonly string[], names: readonly Name[]): { [N in Name]?: string } {
  return parse(args, names, false).values;
}

function parse<Name extends string>(
  args: readonly string[],
  names: readonly Name[],
  allowPositionals: boolean,
): { readonly values: { [N in Name]?: string }; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals });
    return { values: values as { [N in Name]?: string }, positionals };
  } catch (error) {
    // Node's message may go on for lines about quoting; its first sentence says what is wrong.
    throw wrong((error as Error).message.split(/\.\s/, 1).join());
  }
}

function wrong(message: string): CommandError {
  return new CommandError(`${message} (llamaduct --help shows what there is)`, 2);
}
