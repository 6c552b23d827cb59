import { startedByNpm } from '../config/env.ts';

/** Milliseconds in which a second SIGINT counts as the same Ctrl-C: the terminal sends one, and npm forwards its own. */
const repeatWindow = 500;

/** Milliseconds between two checks that npm is still running. */
const parentCheckInterval = 250;

/**
 * Ends the process on SIGTERM or SIGINT: gracefully at the first signal, with exit code 0, and at once at the second, with
 * exit code 1. Under npm it also ends when npm does.
 *
 * @param close lets running requests finish; gets the name of the signal, or says that npm has ended
 */
export function exitOnSignal(close: (reason: string) => Promise<void>): void {
  let closingSince: number | undefined;
  const exit = (reason: string): void => {
    if (closingSince !== undefined) return;
    closingSince = performance.now();
    void close(reason).then(() => process.exit(0));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closingSince === undefined) return exit(signal);
    if (signal === 'SIGTERM' || performance.now() - closingSince > repeatWindow) process.exit(1);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  if (startedByNpm()) onParentExit(() => exit('npm has ended'));
}

/** npm forwards SIGTERM only to its shell, which ends without its child: this process gets another parent. */
function onParentExit(act: () => void): void {
  const { ppid } = process;
  const timer = setInterval(() => {
    if (process.ppid === ppid) return;
    clearInterval(timer);
    act();
  }, parentCheckInterval);
  timer.unref();
}
