import { isObject } from '../../../framing/json.ts';

/** Claude Code's line for Anthropic's billing. It differs between requests, so no prompt would begin like the one before. */
const line = /^x-anthropic-billing-header:[^\n]*\n*/;

/** @returns the `system` of a request without the line, so that servers find the prompt in their cache */
export function withoutBillingLine(system: unknown): unknown {
  if (typeof system === 'string') return system.replace(line, '');
  if (!Array.isArray(system)) return system;
  return system.flatMap((block: unknown) => {
    if (!isObject(block) || typeof block['text'] !== 'string' || !line.test(block['text'])) return [block];
    const text = block['text'].replace(line, '');
    return text === '' ? [] : [{ ...block, text }];
  });
}
