import { type Logger, pino, symbols } from 'pino';
import { LogDestination } from './log-destination.ts';
import { logFormat } from './log-format.ts';

export type { Logger };

const stderr = 2;

/** Logs JSON lines to standard error. Log lines must not contain a key, a prompt or an answer. */
export function createLogger(level: string): Logger {
  // Creating the stream makes a pipe non-blocking: a write that blocks would also block the end of the process.
  process.stderr.on('error', () => undefined);
  const destination = new LogDestination(stderr, (lines) => {
    logger.error({ lines }, 'log lines were lost, because standard error could not be written');
  });
  const logger: Logger = pino({ level, ...logFormat }, destination);
  return logger;
}

/** @returns the number of lines that could not be written */
export function lostLines(logger: Logger): number {
  const destination: unknown = (logger as unknown as Record<symbol, unknown>)[symbols.streamSym];
  return destination instanceof LogDestination ? destination.lost : 0;
}
