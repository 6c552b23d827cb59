import { ConfigError } from '../config/error.ts';
import { readConfigFile } from '../config/file.ts';

/**
 * `check FILE`: validates a configuration file. Prints `FILE: ok`, or every error as `FILE:LINE:COLUMN: SETTING: MESSAGE`
 * and sets the exit code to 1.
 */
export async function check(file: string): Promise<void> {
  try {
    await readConfigFile(file);
    process.stdout.write(`${file}: ok\n`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stdout.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
