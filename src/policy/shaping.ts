import type { FileConfig } from '../config/schema.ts';
import type { GenerationRequest, Sampling, SystemMessage } from '../chat/request.ts';
import { type Pattern, matches, toPattern } from './patterns.ts';

export type ModelRule = FileConfig['models'][number];

/** What the operator decides about requests, model by model: the same for every client and every route. */
export class Shaper {
  readonly #aliases: ReadonlyMap<string, string>;
  readonly #defaultModel: string | undefined;
  readonly #rules: readonly { readonly pattern: Pattern; readonly rule: ModelRule }[];

  constructor({
    aliases,
    default_model: defaultModel,
    models,
  }: Pick<FileConfig, 'aliases' | 'default_model' | 'models'>) {
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

/** A request as the rule for its model wants it. */
export function shaped(request: GenerationRequest, rule: ModelRule): GenerationRequest {
  const { think } = rule;
  const common = {
    ...pinned(request, rule),
    sampling: shapedSampling(request, rule),
    ...(think !== undefined && request.think === undefined && { think }),
  };
  if (request.kind === 'completion') return { ...request, ...common };
  const messages = [...system(rule.system_prepend), ...request.messages, ...system(rule.system_append)];
  return { ...request, ...common, messages };
}

type Pinned = Pick<GenerationRequest, 'options' | 'keepAlive'>;

/** What decides whether a model is loaded anew, for any kind of request. */
export function pinned(request: Pinned, { options, pin, keep_alive: keepAlive }: ModelRule): Pinned {
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

function shapedSampling({ options, sampling }: GenerationRequest, { pin, max_tokens: cap }: ModelRule): Sampling {
  const free = Object.fromEntries(
    Object.entries(sampling).filter(([field]) => !(sampled[field as keyof Sampling] in (pin ?? {}))),
  ) as Sampling;
  return cap === undefined
    ? free
    : { ...free, maxTokens: Math.min(cap, free.maxTokens ?? positive(options?.['num_predict']) ?? cap) };
}

/** To Ollama a number of tokens that is not positive means without limit. */
export function positive(tokens: unknown): number | undefined {
  return typeof tokens === 'number' && tokens > 0 ? tokens : undefined;
}
