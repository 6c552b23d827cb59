import type { Reasoning } from 'openai/resources/shared';
import { isObject } from '../../../framing/json.ts';

/** Thinking that was made here is plain text after this. OpenAI's own is encrypted. */
const mark = 'llamaduct-reasoning:';

/** @returns the `encrypted_content` of an item of thinking. Some clients send no thinking back that has none */
export function sealReasoning(text: string): string {
  return mark + text;
}

/** @returns the thinking in an `encrypted_content`; undefined for one that was not made here */
export function openReasoning(content: unknown): string | undefined {
  return typeof content === 'string' && content.startsWith(mark) ? content.slice(mark.length) : undefined;
}

/** @returns the field as the response repeats it, without values that OpenAI's SDKs could not read */
export function echoReasoning(reasoning: unknown): Reasoning {
  const { effort, summary } = isObject(reasoning) ? reasoning : {};
  return { effort: textOrNull(effort), summary: textOrNull(summary) } as Reasoning;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
