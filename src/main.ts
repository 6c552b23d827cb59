import { type Command, parseCommand } from './cli/args.ts';
import { check } from './cli/check.ts';
import { CommandError } from './cli/error.ts';
import { printHelp, printVersion } from './cli/help.ts';
import { listKeys } from './cli/keys/list.ts';
import { newKey } from './cli/keys/new.ts';
import { revokeKey } from './cli/keys/revoke.ts';
import { rotateKey } from './cli/keys/rotate.ts';
import { once } from './cli/once.ts';
import { serve } from './cli/serve.ts';
import { usage } from './cli/usage.ts';
import { ConfigError } from './config/error.ts';

/**
 * Runs a command. When it fails, prints one line and sets the exit code.
 *
 * @param argv the arguments after the interpreter and the script
 */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const command = parseCommand(argv);
    // A gateway does not need its output. Without a listener, an error would end the process with a stack.
    process.stdout.on('error', command.name === 'serve' ? ignore : onOutputError);
    await run(command);
  } catch (error) {
    // Anything else is a bug: Node prints the stack and exits with 1.
    if (!(error instanceof CommandError || error instanceof ConfigError)) throw error;
    process.stderr.write(`llamaduct: ${error.message}\n`);
    process.exitCode = error instanceof CommandError ? error.exitCode : 1;
  }
}

function ignore(): void {
  // Nothing depends on it.
}

/** Ends a command that cannot print: quietly if nobody reads any more, as in `keys list | head`. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  process.stderr.write(`llamaduct: cannot write to standard output: ${error.message}\n`);
  process.exit(1);
}

function run(command: Command): void | Promise<void> {
  switch (command.name) {
    case 'help':
      return printHelp();
    case 'version':
      return printVersion();
    case 'serve':
      return serve(command.flags);
    case 'once':
      return once(command.text, command.flags);
    case 'keys new':
      return newKey(command.flags);
    case 'keys list':
      return listKeys(command.flags);
    case 'keys revoke':
      return revokeKey(command.keyName, command.flags);
    case 'keys rotate':
      return rotateKey(command.keyName, command.flags);
    case 'usage':
      return usage(command.flags);
    case 'check':
      return check(command.file);
    default:
      return command satisfies never;
  }
}
