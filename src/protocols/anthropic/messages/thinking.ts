import type { JsonObject, Think } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { checkExclusive, defined, integer, object, oneOf, required } from '../../fields.ts';
import { readThink } from '../../shared-fields.ts';
import { dropUnknown } from './unknown-fields.ts';

export interface Thinking {
  /** Absent leaves it to the model. */
  readonly think?: Think;
  /** True when the client does not want to see the thinking. */
  readonly hideThinking: boolean;
}

const levels = { low: 'low', medium: 'medium', high: 'high', xhigh: 'max', max: 'max' } as const;

/**
 * Reads `thinking`, `output_config.effort`, or Ollama's own `think`. An effort overrides a budget, because it is closer
 * to the levels that backends have. Without either, `adaptive` leaves it to the model.
 *
 * @throws {GatewayError} 400 with `param`, also when a client sends `think` and one of the others
 * @see https://platform.claude.com/docs/en/build-with-claude/extended-thinking
 */
export function readThinking(body: JsonObject, dropped: DroppedFields): Thinking {
  checkExclusive(['thinking', body['thinking']], ['think', body['think']]);
  const effort = readEffort(body);
  checkExclusive(['output_config.effort', effort], ['think', body['think']]);
  const thinking = object(body['thinking'], 'thinking');
  if (thinking === undefined) return { ...defined({ think: readThink(body['think']) ?? effort }), hideThinking: false };
  dropUnknown(dropped, 'thinking.', thinking, ['type', 'budget_tokens', 'display']);
  const types = ['enabled', 'disabled', 'adaptive', 'between_tools'] as const;
  const type = required(oneOf, thinking['type'], 'thinking.type', types);
  const hideThinking = oneOf(thinking['display'], 'thinking.display', ['summarized', 'omitted']) === 'omitted';
  const budget = integer(thinking['budget_tokens'], 'thinking.budget_tokens', 1);
  switch (type) {
    case 'disabled':
      return { think: false, hideThinking };
    case 'enabled':
      return { think: effort ?? levelOf(budget), hideThinking };
    case 'between_tools':
      dropped.add('thinking.type', type);
      return { ...defined({ think: effort }), hideThinking };
    case 'adaptive':
      return { ...defined({ think: effort }), hideThinking };
    default:
      return type satisfies never;
  }
}

function readEffort(body: JsonObject): Think | undefined {
  const config = object(body['output_config'], 'output_config');
  const effort = oneOf(config?.['effort'], 'output_config.effort', ['low', 'medium', 'high', 'xhigh', 'max']);
  return effort && levels[effort];
}

/** Backends have levels, not a budget in tokens. A model without levels just thinks. */
function levelOf(budget: number | undefined): Think {
  if (budget === undefined) return true;
  if (budget < 4096) return 'low';
  return budget < 16_384 ? 'medium' : 'high';
}
