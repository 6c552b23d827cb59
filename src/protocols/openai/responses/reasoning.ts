import type { Reasoning } from 'openai/resources/shared';
import type { JsonObject, Think } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { oneOf } from '../../fields.ts';
import { readEffort } from '../request-fields.ts';
import { droppedName } from './dropped-name.ts';

/**
 * Reads `reasoning`, or Ollama's own `think`. The requested kind of summary has no effect: all thinking is sent.
 *
 * @param reasoning the field of that name
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/create (reasoning)
 */
export function readReasoning(
  reasoning: JsonObject | undefined,
  body: JsonObject,
  dropped: DroppedFields,
): Think | undefined {
  for (const [field, value] of Object.entries(reasoning ?? {})) {
    if (field !== 'effort' && field !== 'summary') dropped.add(droppedName('reasoning', field), value);
  }
  oneOf(reasoning?.['summary'], 'reasoning.summary', ['auto', 'concise', 'detailed']);
  return readEffort(body, reasoning?.['effort'], 'reasoning.effort');
}

/** @returns the field as the response repeats it. @param reasoning as read by `readReasoning`, so its values are valid */
export function echoReasoning(reasoning: JsonObject | undefined): Reasoning {
  const { effort = null, summary = null } = reasoning ?? {};
  return { effort, summary } as Reasoning;
}
