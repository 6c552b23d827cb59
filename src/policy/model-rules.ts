import type { FileConfig } from '../config/schema.ts';
import type { GenerationRequest, Sampling, SystemMessage } from '../chat/request.ts';
import { type Pattern, matches, toPattern } from './patterns.ts';

export type ModelRule = FileConfig['models'][number];

type ModelRulesConfig = Pick<FileConfig, 'aliases' | 'default_model' | 'models'>;

/** What the operator decides about requests, model by model: the same for every client and every route. */
export class ModelRules {
  #aliases: ReadonlyMap<string, string> = new Map();
  #defaultModel: string | undefined;
  #rules: readonly { readonly pattern: Pattern; readonly rule: ModelRule }[] = [];

  constructor(config: ModelRulesConfig) {
    this.use(config);
  }

  /** Decides by this from now on. */
  use({ aliases, default_model: defaultModel, models }: ModelRulesConfig): void {
    this.#aliases = new Map(Object.entries(aliases));
    this.#defaultModel = defaultModel;
    this.#rules = models.map((rule) => ({ pattern: toPattern(rule.match), rule }));
  }

  /** Whether any request may come out other than it came in. */
  get isIdle(): boolean {
    return this.#aliases.size === 0 && this.#defaultModel === undefined && this.#rules.length === 0;
  }

  get aliases(): ReadonlyMap<string, string> {
    return this.#aliases;
  }

  /** The model that a name stands for, '' for no name where there is no default. LiteLLM's users write `ollama/` first. */
  resolve(name: string): string {
    const given = name.trim() === '' ? (this.#defaultModel ?? '') : name;
    const alias = this.#aliases.get(given);
    if (alias !== undefined) return alias;
    const bare = given.replace(/^ollama(_chat)?\//, '');
    return this.#aliases.get(bare) ?? bare;
  }

  /** The first rule whose pattern means the model. */
  rule(model: string): ModelRule | undefined {
    return this.#rules.find(({ pattern }) => matches(pattern, model))?.rule;
  }
}

/** The rule for a model, with the longest answer that a key may ask for, in tokens. */
export function withTokenCap(rule: ModelRule | undefined, maxTokens: number | undefined): ModelRule | undefined {
  if (maxTokens === undefined) return rule;
  const own = rule ?? { match: '*', hide_thinking: false, on_overflow: 'error' };
  return { ...own, max_tokens: Math.min(own.max_tokens ?? maxTokens, maxTokens) };
}

/** A request as the rule for its model wants it. */
export function applyRule(request: GenerationRequest, rule: ModelRule): GenerationRequest {
  const { think } = rule;
  const common = {
    ...pinnedOptions(request, rule),
    sampling: shapedSampling(request, rule),
    ...(think !== undefined && request.think === undefined && { think }),
  };
  if (request.kind === 'completion') return { ...request, ...common };
  const messages = [...system(rule.system_prepend), ...request.messages, ...system(rule.system_append)];
  return { ...request, ...common, messages };
}

type Pinned = Pick<GenerationRequest, 'options' | 'keepAlive'>;

/** What decides whether a model is loaded anew, for any kind of request. */
export function pinnedOptions(request: Pinned, { options, pin, keep_alive: keepAlive }: ModelRule): Pinned {
  const merged = { ...options, ...request.options, ...pin };
  return {
    ...(Object.keys(merged).length > 0 && { options: merged }),
    ...(keepAlive !== undefined && { keepAlive }),
  };
}

function system(text: string | undefined): SystemMessage[] {
  return text === undefined ? [] : [{ role: 'system', text }];
}

/** OpenAI's own fields win over options, so a pinned option has to leave them out. */
const sampled: Readonly<Record<keyof Sampling, string>> = {
  temperature: 'temperature',
  topP: 'top_p',
  seed: 'seed',
  stop: 'stop',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  maxTokens: 'num_predict',
};

function shapedSampling(
  { options: given, sampling }: GenerationRequest,
  { options, pin, max_tokens: cap }: ModelRule,
): Sampling {
  const free = pin === undefined ? sampling : without(sampling, pin);
  if (cap === undefined) return free;
  const wanted = positive({ ...options, ...given, ...pin }['num_predict']);
  return { ...free, maxTokens: Math.min(cap, free.maxTokens ?? wanted ?? cap) };
}

function without(sampling: Sampling, pin: object): Sampling {
  const free: Partial<Record<keyof Sampling, unknown>> = { ...sampling };
  for (const field of Object.keys(sampling) as (keyof Sampling)[]) if (sampled[field] in pin) delete free[field];
  return free as Sampling;
}

/** To Ollama a number of tokens below 1 means without limit, once it has cut off the fraction. */
export function positive(tokens: unknown): number | undefined {
  return typeof tokens === 'number' && tokens >= 1 ? Math.floor(tokens) : undefined;
}
