import type { Reasoning } from 'openai/resources/shared';
import type { JsonObject, Think } from '../../../chat/request.ts';
import { oneOf } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { readThink } from '../effort.ts';
import { named } from './input.ts';

const summaries = ['auto', 'concise', 'detailed'] as const;

/**
 * Reads `reasoning`, or Ollama's own `think`. Which summary is asked for changes nothing: all thinking is told.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/create (reasoning)
 */
export function readReasoning(
  reasoning: JsonObject | undefined,
  body: JsonObject,
  ledger: DroppedFields,
): Think | undefined {
  for (const [field, value] of Object.entries(reasoning ?? {})) {
    if (field !== 'effort' && field !== 'summary') ledger.note(named('reasoning', field), value);
  }
  oneOf(reasoning?.['summary'], 'reasoning.summary', summaries);
  return readThink(body, reasoning?.['effort'], 'reasoning.effort');
}

/** As an answer repeats it, once it is read. */
export function echoed(reasoning: JsonObject | undefined): Reasoning {
  const { effort = null, summary = null } = reasoning ?? {};
  return { effort, summary } as Reasoning;
}
