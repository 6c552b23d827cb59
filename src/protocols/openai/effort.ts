import type { JsonObject, Think } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import { boolean, oneOf } from '../fields.ts';

const efforts: Readonly<Record<string, Think>> = {
  none: false,
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'max',
  max: 'max',
};

/**
 * How hard to think, from OpenAI's field or Ollama's own `think`.
 *
 * @param effort what the field at `path` holds
 * @throws {GatewayError} 400 with `param`, also where a client sends both
 */
export function readThink(body: JsonObject, effort: unknown, path: string): Think | undefined {
  const think = body['think'];
  if (effort != null && think != null) throw invalidValue('think', `Send ${path} or think, not both.`);
  const level = oneOf(effort, path, Object.keys(efforts));
  if (level !== undefined) return efforts[level];
  return typeof think === 'boolean' ? think : oneOf(think, 'think', ['low', 'medium', 'high', 'max']);
}

/** `hidethinking` is how LiteLLM's users spell it. */
export function readHideThinking(body: JsonObject): boolean {
  return boolean(body['hide_thinking'], 'hide_thinking') ?? boolean(body['hidethinking'], 'hidethinking') ?? false;
}
