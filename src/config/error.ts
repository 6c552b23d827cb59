/** One error in a configuration file. Line and column numbers start at 1. */
export interface ConfigIssue {
  readonly line: number;
  readonly column: number;
  /** Path of the setting, for example `keys[0].hash`; empty when the file is not valid YAML. */
  readonly path: string;
  readonly message: string;
}

/**
 * The configuration is invalid, or cannot be read or written. The message is written for the operator: it lists every
 * error, one a line, and never contains a secret.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The errors that have a position in the file; empty when a flag, the environment or the file as a whole is wrong. */
  readonly issues: readonly ConfigIssue[];

  constructor(message: string, issues: readonly ConfigIssue[] = []) {
    super(message);
    this.issues = issues;
  }
}
