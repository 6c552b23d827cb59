import { parseCommand } from './cli/args.ts';
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
    await run(argv);
  } catch (error) {
    // Anything else is a bug: Node prints the stack and exits with 1.
    if (!(error instanceof CommandError || error instanceof ConfigError)) throw error;
    process.stderr.write(`llamaduct: ${error.message}\n`);
    process.exitCode = error instanceof CommandError ? error.exitCode : 1;
  }
}

function run(argv: readonly string[]): void | Promise<void> {
  const command = parseCommand(argv);
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
