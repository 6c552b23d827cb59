import type { Constraint } from '../chat/constraint.ts';
import type { FileConfig } from '../config/schema.ts';
import type { GenerationRequest, Sampling, SystemMessage } from '../chat/request.ts';
import { exactNumber } from '../framing/json.ts';
import { modelKey, readConfiguredName, readModelName } from '../chat/model-name.ts';
import { type Pattern, matches, toPattern, toPatterns } from './patterns.ts';

export type ModelRule = FileConfig['models'][number];

type ModelRulesConfig = Pick<FileConfig, 'aliases' | 'default_model' | 'models'>;

/** The model that a name in a request selects. */
export interface ResolvedModel {
  /** The name to send to a server; '' for an empty name without a default model. */
  readonly model: string;
  /** The names to compare with a key's patterns: the model's own, and the alias if the request used one. */
  readonly names: readonly string[];
}

/** Returns true for a name that a server such as vLLM lists, and compares byte by byte. */
export type IsExactId = (name: string) => boolean;

/** The operator's rules per model. They apply to every client and every route. */
export class ModelRules {
  #aliases: ReadonlyMap<string, string> = new Map();
  /** Alias targets by the `modelKey` of the alias. */
  #targets: ReadonlyMap<string, string> = new Map();
  /** Aliases that are patterns, in the order of the configuration. */
  #patterns: readonly { readonly pattern: Pattern; readonly target: string }[] = [];
  #defaultModel: string | undefined;
  #rules: readonly { readonly patterns: readonly Pattern[]; readonly rule: ModelRule }[] = [];

  constructor(config: ModelRulesConfig) {
    this.use(config);
  }

  /** Replaces the configuration for later requests. */
  use({ aliases, default_model: defaultModel, models }: ModelRulesConfig): void {
    const entries = Object.entries(aliases);
    this.#patterns = entries
      .filter(([alias]) => isPattern(alias))
      .map(([alias, target]) => ({ pattern: toPattern(alias), target }));
    this.#aliases = new Map(entries.filter(([alias]) => !isPattern(alias)));
    this.#targets = new Map([...this.#aliases].map(([alias, target]) => [modelKey(readConfiguredName(alias)), target]));
    this.#defaultModel = defaultModel;
    this.#rules = models.map((rule) => ({ patterns: toPatterns(rule.match), rule }));
  }

  /** True when no request is ever changed. */
  get isIdle(): boolean {
    const hasAliases = this.#aliases.size > 0 || this.#patterns.length > 0;
    return !hasAliases && this.#defaultModel === undefined && this.#rules.length === 0;
  }

  /** Targets by alias, without the aliases that are patterns. */
  get aliases(): ReadonlyMap<string, string> {
    return this.#aliases;
  }

  /**
   * Resolves the default model and aliases.
   *
   * @throws {GatewayError} 400 when it cannot be the name of a model
   */
  resolve(given: string, isExactId: IsExactId): ResolvedModel {
    const named = isExactId(given) ? given : readModelName(given);
    const name = named === '' ? toName(this.#defaultModel ?? '', isExactId) : named;
    // An alias that is a name takes precedence over the patterns, of which the first that matches counts.
    const target =
      this.#targets.get(modelKey(name)) ?? (this.#patterns.length === 0 ? undefined : this.#targetByPattern(name));
    if (target === undefined) return { model: name, names: [name] };
    const model = toName(target, isExactId);
    return { model, names: [name, model] };
  }

  #targetByPattern(name: string): string | undefined {
    return name === '' ? undefined : this.#patterns.find(({ pattern }) => matches(pattern, name))?.target;
  }

  /** @returns the first rule whose pattern matches the model */
  rule(model: string): ModelRule | undefined {
    return this.#rules.find(({ patterns }) => patterns.some((pattern) => matches(pattern, model)))?.rule;
  }
}

function isPattern(alias: string): boolean {
  return alias.includes('*');
}

/**
 * @param maxTokens the key's limit of tokens per answer
 * @returns the rule with the lower one of its own limit and the key's; undefined without either
 */
export function withTokenCap(rule: ModelRule | undefined, maxTokens: number | undefined): ModelRule | undefined {
  if (maxTokens === undefined) return rule;
  const base = rule ?? {
    match: '*',
    any_keep_alive: false,
    hide_thinking: false,
    think_tags: 'keep',
    repair_tools: 0,
  };
  return { ...base, max_tokens: Math.min(base.max_tokens ?? maxTokens, maxTokens) };
}

/** @returns the request with the rule of its model applied */
export function applyRule(request: GenerationRequest, rule: ModelRule): GenerationRequest {
  const { think } = rule;
  const common = {
    ...pinnedOptions(request, rule),
    sampling: ruledSampling(request, rule),
    ...(think !== undefined && request.think === undefined && { think }),
  };
  if (request.kind === 'completion') return { ...request, ...common };
  const appended = systemMessages(rule.system_append).map((message) => ({ ...message, isPinned: true }));
  const messages = [...systemMessages(rule.system_prepend), ...request.messages, ...appended];
  return { ...request, ...common, messages };
}

/** @param configured a name in the configuration */
function toName(configured: string, isExactId: IsExactId): string {
  return isExactId(configured) ? configured : readConfiguredName(configured);
}

type LoadOptions = Pick<GenerationRequest, 'options' | 'keepAlive'>;

/**
 * The rule's `options` are defaults, its `pin` overrides the request. Ollama reloads a model whose options change, so
 * every kind of request gets them.
 *
 * @returns the options and keep-alive of a request with the rule applied
 */
export function pinnedOptions(request: LoadOptions, { options, pin, keep_alive: keepAlive }: ModelRule): LoadOptions {
  const merged = { ...options, ...request.options, ...pin };
  return {
    ...(Object.keys(merged).length > 0 && { options: merged }),
    ...(keepAlive !== undefined && { keepAlive }),
  };
}

function systemMessages(text: string | undefined): SystemMessage[] {
  return text === undefined ? [] : [{ role: 'system', text }];
}

/** Ollama's options by sampling field. Sampling fields override options, so a pinned option removes its field. */
const optionNames: Readonly<Record<keyof Sampling, string>> = {
  temperature: 'temperature',
  topP: 'top_p',
  seed: 'seed',
  stop: 'stop',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  maxTokens: 'num_predict',
};

function ruledSampling(
  { options: requestOptions, sampling }: GenerationRequest,
  { options, pin, max_tokens: cap }: ModelRule,
): Sampling {
  const unpinned = pin === undefined ? sampling : without(sampling, pin);
  if (cap === undefined) return unpinned;
  const requested = toTokenLimit({ ...options, ...requestOptions, ...pin }['num_predict']);
  return { ...unpinned, maxTokens: Math.min(cap, unpinned.maxTokens ?? requested ?? cap) };
}

function without(sampling: Sampling, pin: object): Sampling {
  const rest: Partial<Record<keyof Sampling, unknown>> = { ...sampling };
  for (const field of Object.keys(sampling) as (keyof Sampling)[]) if (optionNames[field] in pin) delete rest[field];
  return rest as Sampling;
}

/**
 * Reads `num_predict` as Ollama does: it cuts off the fraction, and below 1 there is no limit.
 *
 * @returns tokens; undefined for no limit
 */
export function toTokenLimit(tokens: unknown): number | undefined {
  const limit = exactNumber(tokens);
  return limit !== undefined && limit >= 1 ? Math.floor(limit) : undefined;
}

/**
 * Decides whether an answer that only repeats itself is ended. Without a setting, one in JSON is: it cannot end before it is
 * closed, which a model may never do.
 */
export function endsRepetition(rule: ModelRule | undefined, constraint: Constraint | undefined): boolean {
  const guard = rule?.repetition_guard ?? 'constrained';
  return guard === 'always' || (guard === 'constrained' && constraint !== undefined);
}
