import type { JsonObject, Think } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { exclusive, integer, object, oneOf, optional, required } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { noteUnread } from './unread.ts';

/** Whether and how hard to think, and whether the client wants to see it. */
export interface Thinking {
  readonly think?: Think;
  readonly hideThinking: boolean;
}

const efforts = { low: 'low', medium: 'medium', high: 'high', xhigh: 'max', max: 'max' } as const;

/**
 * Reads `thinking`, `output_config.effort`, or Ollama's own `think`. An effort says more than a budget; without either,
 * `adaptive` leaves it to the model.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/extended-thinking
 */
export function readThinking(body: JsonObject, ledger: DroppedFields): Thinking {
  exclusive(body, 'thinking', 'think');
  const effort = readEffort(body);
  const own = body['think'];
  if (own != null) {
    if (effort !== undefined) throw invalidValue('think', 'Send output_config.effort or think, not both.');
    const think = typeof own === 'boolean' ? own : oneOf(own, 'think', ['low', 'medium', 'high', 'max']);
    return { ...optional('think', think), hideThinking: false };
  }
  const thinking = object(body['thinking'], 'thinking');
  if (thinking === undefined) return { ...optional('think', effort), hideThinking: false };
  noteUnread(ledger, 'thinking.', thinking, ['type', 'budget_tokens', 'display']);
  const types = ['enabled', 'disabled', 'adaptive', 'between_tools'] as const;
  const type = required(oneOf(thinking['type'], 'thinking.type', types), 'thinking.type');
  const hideThinking = oneOf(thinking['display'], 'thinking.display', ['summarized', 'omitted']) === 'omitted';
  const budget = integer(thinking['budget_tokens'], 'thinking.budget_tokens', 1);
  switch (type) {
    case 'disabled':
      return { think: false, hideThinking };
    case 'enabled':
      return { think: effort ?? levelFor(budget), hideThinking };
    case 'between_tools':
      ledger.note('thinking.type', type);
      return { ...optional('think', effort), hideThinking };
    case 'adaptive':
      return { ...optional('think', effort), hideThinking };
    default:
      return type satisfies never;
  }
}

function readEffort(body: JsonObject): Think | undefined {
  const config = object(body['output_config'], 'output_config');
  const effort = oneOf(config?.['effort'], 'output_config.effort', ['low', 'medium', 'high', 'xhigh', 'max']);
  return effort && efforts[effort];
}

/** Backends have levels instead of a budget; a model that has none just thinks. */
function levelFor(budget: number | undefined): Think {
  if (budget === undefined) return true;
  if (budget < 4096) return 'low';
  return budget < 16_384 ? 'medium' : 'high';
}
