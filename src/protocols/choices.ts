import type { GenerationRequest } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { integer } from './fields.ts';

const maxChoices = 128;

/** Reads how many choices an answer is to have. Below 1 is 1. @throws {GatewayError} 400 for more than 128 */
export function readCount(value: unknown, path: string): number | undefined {
  const count = integer(value, path, 1);
  if (count !== undefined && count > maxChoices) throw invalidValue(path, `${path} must be at most ${maxChoices}.`);
  return count;
}

/**
 * Repeats a request for each of its choices. A seed is increased by one for each: the same seed would give the same
 * answer.
 */
export function repeatRequest<Request extends GenerationRequest>(
  request: Request,
  count: number,
): [Request, ...Request[]] {
  if (count === 1) return [request];
  const { seed } = request.sampling;
  const others = Array.from({ length: count - 1 }, (_, index) =>
    seed === undefined || seed === -1
      ? request
      : { ...request, sampling: { ...request.sampling, seed: seed + index + 1 } },
  );
  return [request, ...others];
}
