import { type Logger, pino } from 'pino';

export type { Logger };

/** Bytes and milliseconds. A write is dear for a line, so lines go out together. */
const together = { minLength: 4_096, periodicFlush: 100 };

/** JSON lines on standard error. Nothing that is logged holds a key, a prompt or an answer. */
export function createLogger(level: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: false, ...together }),
  );
}
