import { stdTimeFunctions } from 'pino';

/** How log lines are written: ISO times, and levels by name. */
export const logFormat = {
  base: null,
  timestamp: stdTimeFunctions.isoTime,
  formatters: { level: (name: string) => ({ level: name }) },
} as const;
