import type { JsonObject } from '../chat/request.ts';
import { foldedName, isObject } from '../framing/json.ts';
import { type ModelRule, positive } from './model-rules.ts';

/** Fields that shaping reads or writes. */
const fields = ['model', 'name', 'options', 'keep_alive', 'think', 'messages'];

/** Shapes the bodies of a backend's own API. */
export type NativeRules = (
  path: string,
  body: JsonObject,
  resolve: (name: string) => string,
  ruleFor: (model: string) => ModelRule | undefined,
) => JsonObject | undefined;

/** By the kind of backend; the others' requests are translated where something has to change. */
export const nativeRules: Readonly<Record<string, NativeRules | undefined>> = { ollama: shapedNative };

/**
 * The body of a request to Ollama's own API as the operator wants it, or undefined where nothing has to change: then
 * its bytes pass as they are. Ollama reads field names without regard to case, so a field goes on in one spelling only.
 *
 * @param resolve tells the model that a name stands for
 */
function shapedNative(
  path: string,
  body: JsonObject,
  resolve: (name: string) => string,
  ruleFor: (model: string) => ModelRule | undefined,
): JsonObject | undefined {
  const normal = inOneSpelling(body);
  const old = (normal['model'] ?? '') === '' && typeof normal['name'] === 'string' && normal['name'] !== '';
  const field = old ? 'name' : 'model';
  const named = typeof normal[field] === 'string' ? normal[field] : '';
  const model = resolve(named);
  const rule = ruleFor(model);
  if (rule === undefined && model === named) return undefined;
  return { ...normal, [field]: model, ...(rule !== undefined && ruled(path, normal, rule)) };
}

function inOneSpelling(body: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      const lower = foldedName(name);
      return [fields.includes(lower) ? lower : name, value];
    }),
  );
}

/** What the rule puts into a body, by what the route takes. */
function ruled(path: string, body: JsonObject, rule: ModelRule): JsonObject {
  if (path === '/api/show') return {};
  const options = ruledOptions(body['options'], rule);
  const common = {
    ...(Object.keys(options).length > 0 && { options }),
    ...(rule.keep_alive !== undefined && { keep_alive: rule.keep_alive }),
  };
  if (path !== '/api/chat' && path !== '/api/generate') return common;
  const think = rule.think !== undefined && body['think'] == null ? { think: rule.think } : {};
  const messages: unknown = body['messages'];
  // No messages: the request only loads or unloads the model.
  if (!Array.isArray(messages) || messages.length === 0) return { ...common, ...think };
  return {
    ...common,
    ...think,
    messages: [...system(rule.system_prepend), ...messages, ...system(rule.system_append)],
  };
}

function ruledOptions(given: unknown, { options, pin, max_tokens: cap }: ModelRule): JsonObject {
  const merged: JsonObject = { ...options, ...(isObject(given) ? given : {}), ...pin };
  if (cap === undefined) return merged;
  return { ...merged, num_predict: Math.min(cap, positive(merged['num_predict']) ?? cap) };
}

function system(content: string | undefined): JsonObject[] {
  return content === undefined ? [] : [{ role: 'system', content }];
}
