import type { Total } from './contract.ts';

/** Adds up what was counted for each choice. Choices run side by side, so of each duration the longest counts. */
export function totalOf(parts: readonly Total[]): Total {
  const longest = (of: (part: Total) => number | undefined): number | undefined => {
    const known = parts.map(of).filter((seconds) => seconds !== undefined);
    return known.length > 0 ? Math.max(...known) : undefined;
  };
  const [load, promptEval, evaluation, total] = [
    longest(({ timings }) => timings.load),
    longest(({ timings }) => timings.promptEval),
    longest(({ timings }) => timings.eval),
    longest(({ timings }) => timings.total),
  ];
  return {
    usage: {
      inputTokens: parts.reduce((sum, { usage }) => sum + usage.inputTokens, 0),
      outputTokens: parts.reduce((sum, { usage }) => sum + usage.outputTokens, 0),
    },
    timings: {
      ...(load !== undefined && { load }),
      ...(promptEval !== undefined && { promptEval }),
      ...(evaluation !== undefined && { eval: evaluation }),
      ...(total !== undefined && { total }),
    },
  };
}
