import { isThinkWord, thinkOf } from '../chat/think-words.ts';
import type { Think } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';
import type { DroppedFields } from './dropped-fields.ts';
import type { Field, FieldTable } from './field-table.ts';
import { boolean, number } from './fields.ts';

const anything = (value: unknown): unknown => value;
const known: Field = { effect: 'any' };
const summary: Field = { effect: 'none', neutral: ['auto', 'concise', 'detailed'] };

/** The fields of an object that asks for thinking: Anthropic's `thinking`, OpenRouter's and OpenAI's `reasoning`. */
const wishFields: FieldTable = {
  type: known,
  enabled: known,
  effort: known,
  budget_tokens: known,
  max_tokens: known,
  display: known,
  exclude: known,
  summary: { ...summary, note: 'All thinking is sent, in any case.' },
};

/** The fields by which clients ask for thinking, and those by which they hide it. All APIs of llamaduct take all of them. */
export const thinkingFields = {
  think: { effect: 'any', read: anything, note: "Ollama's: true, false or a level." },
  reasoning_effort: { effect: 'any', read: anything, fields: wishFields, note: "OpenAI's." },
  reasoning: { effect: 'any', read: anything, fields: wishFields, note: '`effort`, `enabled` or `max_tokens`.' },
  thinking: { effect: 'any', read: anything, fields: wishFields, note: "Anthropic's." },
  enable_thinking: { effect: 'any', read: anything, note: "Qwen's." },
  thinking_budget: { effect: 'any', read: anything, note: 'Tokens; 0 is off, -1 leaves it to the model.' },
  chat_template_kwargs: {
    effect: 'any',
    read: anything,
    isForwarded: true,
    fields: { enable_thinking: known, thinking: known, reasoning_effort: known },
    note: "vLLM's and llama.cpp's.",
  },
  hide_thinking: { effect: 'any', read: boolean, note: 'True leaves the thinking out of the answer.' },
  hidethinking: { effect: 'any', read: boolean, note: 'The same.' },
  include_reasoning: { effect: 'any', read: boolean, note: 'False leaves the thinking out of the answer.' },
} as const satisfies FieldTable;

type Given = Readonly<Record<string, unknown>>;

export interface Thinking {
  /** Absent leaves it to the model. */
  readonly think?: Think;
  /** True when the client does not want to see the thinking. */
  readonly hideThinking: boolean;
}

/** One spelling of how hard the model should think. */
interface Wish {
  readonly path: string;
  /** Absent for a word that leaves it to the model. */
  readonly think: Think | undefined;
  /** True for a budget, which gives way to a level: servers have levels. */
  readonly isBudget?: boolean;
}

/**
 * Settles how hard the model should think. Agents that serve many APIs spell that in several ways in one request.
 *
 * @param values the fields of a request, as `thinkingFields` reads them
 * @param effort a level for the whole answer, which counts unless thinking is off: Anthropic's `output_config.effort`
 * @throws {GatewayError} 400 with `param` for spellings that contradict each other, and for a value of another type
 */
export function readThinking(values: Given, dropped: DroppedFields, effort?: unknown): Thinking {
  let hideThinking = false;
  let settled: Wish | undefined;
  let budget: Wish | undefined;
  for (const name in values) {
    if (!Object.hasOwn(thinkingFields, name)) continue;
    if (hides(name, values[name])) hideThinking = true;
    for (const wish of wishesIn(name, values[name], dropped)) {
      if (wish.isBudget === true) budget = wish;
      else settled = settle(settled, wish);
    }
  }
  const { options } = values;
  if (isObject(options) && options['think'] != null) {
    settled = settle(settled, { path: 'options.think', think: readLevel(options['think'], 'options.think', dropped) });
  }
  if (settled === undefined && budget === undefined && effort === undefined) return { hideThinking };
  const path = 'output_config.effort';
  const overall = effort === undefined ? undefined : { path, think: readLevel(effort, path, dropped) };
  const wish = mostExact(settled, budget, overall);
  if (wish?.think === undefined) return { hideThinking };
  for (const name of ['reasoning_effort', 'think']) dropped.spell(name, wish.path);
  return { think: wish.think, hideThinking };
}

/** A budget of 0 turns thinking off unless something turns it on: forms send 0 for an empty field. */
function mostExact(settled: Wish | undefined, budget: Wish | undefined, overall: Wish | undefined): Wish | undefined {
  if (settled?.think !== undefined && settled.think !== true) return settled;
  if (budget?.think === false) return settled?.think === true ? settled : budget;
  return [overall, budget, settled].find((wish) => wish?.think !== undefined);
}

/** @returns the more exact one of two wishes. @throws {GatewayError} 400 when they contradict each other */
function settle(one: Wish | undefined, other: Wish): Wish | undefined {
  if (other.think === undefined || one?.think === other.think) return one;
  if (one?.think === undefined || (one.think === true && other.think !== false)) return other;
  if (other.think === true && one.think !== false) return one;
  throw invalidValue(other.path, `${one.path} and ${other.path} contradict each other.`);
}

/** True for a field that asks for an answer without the thinking. */
function hides(name: string, value: unknown): boolean {
  if (isObject(value)) return value['exclude'] === true || value['display'] === 'omitted';
  return name === 'include_reasoning' ? value === false : name.startsWith('hide') && value === true;
}

/** The fields of an object that ask for thinking. */
const levelFields = ['type', 'enabled', 'effort', 'enable_thinking', 'thinking', 'reasoning_effort'];
const budgetFields = ['budget_tokens', 'max_tokens'];

function wishesIn(name: string, value: unknown, dropped: DroppedFields): Wish[] {
  if (value == null || name.startsWith('hide') || name === 'include_reasoning') return [];
  if (name === 'thinking_budget') return [readBudget(value, name)];
  if (!isObject(value)) return [{ path: name, think: readLevel(value, name, dropped) }];
  const wishes: Wish[] = [];
  for (const field of levelFields) {
    const path = `${name}.${field}`;
    if (value[field] != null) wishes.push({ path, think: readLevel(value[field], path, dropped) });
  }
  for (const field of budgetFields) {
    if (value[field] != null) wishes.push(readBudget(value[field], `${name}.${field}`));
  }
  return wishes;
}

/** Reads a level. An unknown word leaves it to the model, and is named. @throws {GatewayError} 400 for another type */
function readLevel(value: unknown, path: string, dropped: DroppedFields): Think | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') throw invalidValue(path, `${path} must be true, false or a level such as "low".`);
  if (!isThinkWord(value)) dropped.names.add(path);
  return thinkOf(value);
}

/** Reads a budget in tokens. 0 turns thinking off, and a negative one leaves it to the model. */
function readBudget(value: unknown, path: string): Wish {
  const tokens = number(value, path);
  if (tokens === undefined || tokens < 0) return { path, think: undefined };
  return { path, think: levelOfBudget(tokens), isBudget: true };
}

/** Servers have levels, not a budget in tokens. A model without levels just thinks. */
function levelOfBudget(tokens: number): Think {
  if (tokens === 0) return false;
  if (tokens < 4096) return 'low';
  return tokens < 16_384 ? 'medium' : 'high';
}
