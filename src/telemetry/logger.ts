import { type Logger, pino } from 'pino';

export type { Logger };

/** Bytes and milliseconds for which lines are buffered: one write per line is expensive. */
const buffer = { minLength: 4_096, periodicFlush: 100 };

/** Logs JSON lines to standard error. Log lines must not contain a key, a prompt or an answer. */
export function createLogger(level: string): Logger {
  const destination = pino.destination({ fd: 2, sync: false, ...buffer });
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
