import type { Reasoning } from 'openai/resources/shared';
import { isObject } from '../../../framing/json.ts';

/** @returns the field as the response repeats it, without values that OpenAI's SDKs could not read */
export function echoReasoning(reasoning: unknown): Reasoning {
  const { effort, summary } = isObject(reasoning) ? reasoning : {};
  return { effort: textOrNull(effort), summary: textOrNull(summary) } as Reasoning;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
