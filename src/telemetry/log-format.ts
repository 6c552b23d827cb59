import { stdTimeFunctions } from 'pino';

/** The format of log lines: ISO times, and levels by name. */
export const logFormat = {
  base: null,
  timestamp: stdTimeFunctions.isoTime,
  formatters: { level: (name: string) => ({ level: name }) },
} as const;
