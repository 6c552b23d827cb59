import { type Logger, pino } from 'pino';

export type { Logger };

/** JSON lines on standard error. Nothing that is logged holds a key, a prompt or an answer. */
export function createLogger(level: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: false }),
  );
}
