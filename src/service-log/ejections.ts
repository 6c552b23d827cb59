import { asGatewayError } from '../errors.ts';
import type { HealthChange } from '../pool/health.ts';
import type { ModelChange } from '../pool/models/model-health.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

interface EjectionReporter {
  readonly onServer: (up: boolean, change: HealthChange) => void;
  readonly onModel: (change: ModelChange) => void;
}

/** @returns functions that report the ejections of one server and of its models: a metric, and a log line for each change */
export function ejectionReporter(upstream: string, metrics: Metrics, logger: Logger): EjectionReporter {
  metrics.ejected.set({ upstream }, 0);
  return {
    onServer(up, { error, failures, ejectedFor }) {
      metrics.ejected.set({ upstream }, up ? 0 : 1);
      const details = { ...causeOf(error), failures };
      if (up) logger.info({ upstream, ejected_s: seconds(ejectedFor), ...details }, 'upstream is back');
      // Later failures of an ejected server are no news.
      else if (ejectedFor === 0) logger.warn({ upstream, ...details }, 'upstream ejected');
    },
    onModel({ model, ejected, error, failures, ejectedFor }) {
      metrics.modelEjected.set({ upstream, model }, ejected ? 1 : 0);
      const details = { ...causeOf(error), failures };
      if (ejected) logger.warn({ upstream, model, ...details }, 'model ejected on an upstream');
      else logger.info({ upstream, model, ejected_s: seconds(ejectedFor), ...details }, 'model is back on an upstream');
    },
  };
}

/** The last failure: its code, and the upstream's status or the code of the connection error. Never a text, which may quote a prompt. */
function causeOf(thrown: unknown): object {
  const { code: error, answered, cause } = asGatewayError(thrown);
  return {
    error,
    status: answered?.status,
    cause: cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined,
  };
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}
