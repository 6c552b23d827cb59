import { type Logger, pino } from 'pino';

export type { Logger };

/** Bytes and milliseconds that lines wait for others: a write is dear for one. */
const together = { bytes: 4_096, milliseconds: 100 };

/** JSON lines on standard error. Nothing that is logged holds a key, a prompt or an answer. */
export function createLogger(level: string): Logger {
  const destination = pino.destination({ fd: 2, sync: false, minLength: together.bytes });
  let flushing: NodeJS.Timeout | undefined;
  const flush = (): void => {
    flushing = undefined;
    destination.flush();
  };
  const write = (line: string): void => {
    destination.write(line);
    flushing ??= setTimeout(flush, together.milliseconds).unref();
  };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
}
