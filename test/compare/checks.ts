import { answerChecks } from './checks-answers.ts';
import { clientChecks } from './checks-clients.ts';
import { endpointChecks } from './checks-endpoints.ts';
import { leniencyChecks } from './checks-leniency.ts';
import { requestChecks } from './checks-requests.ts';
import { toolChecks } from './checks-tools.ts';
import type { Check } from './check.ts';

/** All checks, in the order of their numbers. */
export const checks: readonly Check[] = [
  ...answerChecks,
  ...toolChecks,
  ...requestChecks,
  ...endpointChecks,
  ...clientChecks,
  ...leniencyChecks,
].toSorted((a, b) => a.number - b.number);
