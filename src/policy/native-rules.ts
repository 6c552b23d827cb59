import type { JsonObject } from '../chat/request.ts';
import { foldedName, isObject } from '../framing/json.ts';
import { type ModelRule, toTokenLimit } from './model-rules.ts';

/**
 * Applies model rules to a request body of a backend's own API.
 *
 * @param resolve returns the model that a name stands for
 * @returns the changed body; undefined when nothing has to change and the original bytes can be sent
 */
export type NativeRules = (
  path: string,
  body: JsonObject,
  resolve: (name: string) => string,
  ruleFor: (model: string) => ModelRule | undefined,
) => JsonObject | undefined;

/** By kind of backend. Other kinds have none: their requests are translated when something has to change. */
export const nativeRules: Readonly<Record<string, NativeRules | undefined>> = { ollama: applyOllamaRules };

/** Ollama ignores the case of field names, so a body with two spellings of a field is rewritten with one. */
function applyOllamaRules(
  path: string,
  body: JsonObject,
  resolve: (name: string) => string,
  ruleFor: (model: string) => ModelRule | undefined,
): JsonObject | undefined {
  const normalized = inOneSpelling(body);
  const { model: modelField, name: nameField } = normalized;
  // `name` is the older spelling of `model`.
  const field = (modelField ?? '') === '' && typeof nameField === 'string' && nameField !== '' ? 'name' : 'model';
  const requested = typeof normalized[field] === 'string' ? normalized[field] : '';
  const model = resolve(requested);
  const rule = ruleFor(model);
  const isUnambiguous = Object.keys(normalized).length === Object.keys(body).length;
  if (rule === undefined && model === requested && isUnambiguous) return undefined;
  return { ...normalized, [field]: model, ...(rule !== undefined && ruledValues(path, normalized, rule)) };
}

/** Renames all fields to lower case. The last of several spellings counts, except that null does not replace a value. */
function inOneSpelling(body: JsonObject): JsonObject {
  const fields = new Map<string, unknown>();
  for (const [name, value] of Object.entries(body)) {
    const field = foldedName(name);
    if (value !== null || !fields.has(field)) fields.set(field, value);
  }
  return Object.fromEntries(fields);
}

/** Routes where Ollama cuts a long prompt unless `truncate` is false. */
const truncating: ReadonlySet<string> = new Set(['/api/chat', '/api/generate', '/api/embed']);

/** @returns the fields that a rule sets, as far as the route accepts them */
function ruledValues(path: string, body: JsonObject, rule: ModelRule): JsonObject {
  if (path === '/api/show') return {};
  const options = ruledOptions(body['options'], rule);
  const refusesLongPrompt = rule.on_overflow === 'error' && body['truncate'] == null && truncating.has(path);
  const common = {
    ...(Object.keys(options).length > 0 && { options }),
    ...(rule.keep_alive !== undefined && { keep_alive: rule.keep_alive }),
    ...(refusesLongPrompt && { truncate: false }),
  };
  if (path !== '/api/chat' && path !== '/api/generate') return common;
  const think = rule.think !== undefined && body['think'] == null ? { think: rule.think } : {};
  const messages: unknown = body['messages'];
  // A request without messages only loads or unloads the model.
  if (!Array.isArray(messages) || messages.length === 0) return { ...common, ...think };
  return {
    ...common,
    ...think,
    messages: [...systemMessages(rule.system_prepend), ...messages, ...systemMessages(rule.system_append)],
  };
}

function ruledOptions(requestOptions: unknown, { options, pin, max_tokens: cap }: ModelRule): JsonObject {
  const merged: JsonObject = { ...options, ...(isObject(requestOptions) ? requestOptions : {}), ...pin };
  if (cap === undefined) return merged;
  return { ...merged, num_predict: Math.min(cap, toTokenLimit(merged['num_predict']) ?? cap) };
}

function systemMessages(content: string | undefined): JsonObject[] {
  return content === undefined ? [] : [{ role: 'system', content }];
}
