import { ConfigError } from '../config/error.ts';
import { readConfigFile } from '../config/file.ts';

/** `check FILE`: prints every fault as `FILE:LINE:COLUMN: SETTING: MESSAGE` and sets the exit code 1, or prints that all is well. */
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
