/** One fault of a configuration file. Lines and columns count from 1. */
export interface Fault {
  readonly line: number;
  readonly column: number;
  /** The setting at fault, such as `keys[0].hash`; empty where the file is not YAML at all. */
  readonly path: string;
  readonly message: string;
}

/** What is wrong with the configuration. The message is written for the operator and names every fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** Of a file; empty where a flag, the environment or the whole is at fault. */
  readonly faults: readonly Fault[];

  constructor(message: string, faults: readonly Fault[] = []) {
    super(message);
    this.faults = faults;
  }
}
