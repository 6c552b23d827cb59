import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import type { HostedTools } from '../../../chat/search.ts';
import { isObject } from '../../../framing/json.ts';
import { repeatRequest } from '../../choices.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, extraFields, readFields } from '../../field-table.ts';
import { boolean, defined, readObjectBody } from '../../fields.ts';
import { HostedToolReader } from '../../hosted-tools.ts';
import { readSettings } from '../../settings.ts';
import { readThinking } from '../../thinking.ts';
import { camelCased } from '../camel-case.ts';
import { readContents } from './contents.ts';
import { generateContentFields, generationFields } from './fields.ts';
import { readFormat } from './format.ts';
import { readToolUse, requireLookUp } from './tools.ts';

export interface ParsedContent {
  /** One for each candidate. */
  readonly requests: readonly [ChatRequest, ...ChatRequest[]];
  readonly hideThinking: boolean;
  /** Tools that Google would run. */
  readonly hosted?: HostedTools;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
}

interface UncheckedContent extends ParsedContent {
  /** The tools, if there is neither a function nor an available search among them. */
  readonly onlyHosted?: readonly unknown[];
}

/**
 * Reads the body of a request for content, into which the model of the path was put. Besides Google's fields it takes
 * Ollama's own, such as `options` and `think`, which SDKs pass on as extra fields of the body.
 *
 * @param canSearch true if this server searches the web
 * @throws {GatewayError} 400 with `param` for a field that cannot be read, and for a request that only looks up what cannot be looked up here
 * @see https://ai.google.dev/api/generate-content
 */
export function readGenerateContent(value: unknown, canSearch = false): ParsedContent {
  const { onlyHosted, ...parsed } = readContent(value, canSearch);
  if (onlyHosted !== undefined) requireLookUp(onlyHosted);
  return parsed;
}

function readContent(value: unknown, canSearch: boolean): UncheckedContent {
  const body = camelCased(generateContentFields, readObjectBody(value));
  const dropped = new DroppedFields();
  const values = readFields(generateContentFields, body, dropped);
  const config = readFields(generationFields, values.generationConfig ?? {}, dropped, 'generationConfig.');
  const settings = { ...values, ...optionsOf(config), ...thinkingOf(config.thinkingConfig) };
  const { think } = readThinking(settings, dropped);
  const { use, hosted, hasFunctions } = readToolUse(values, new HostedToolReader(canSearch), dropped);
  const request: ChatRequest = {
    kind: 'chat',
    model: values.model ?? '',
    messages: readContents(values.contents, values.systemInstruction, dropped),
    ...readSettings(settings, dropped),
    ...use,
    ...extraFields(generateContentFields, values),
    ...defined({ think, keepAlive: values.keep_alive, format: readFormat(config, dropped) }),
  };
  if (config.topK !== undefined) dropped.spell('options.top_k', 'generationConfig.topK');
  const path = 'generationConfig.thinkingConfig.includeThoughts';
  const hideThinking = boolean(config.thinkingConfig?.['includeThoughts'], path) !== true;
  return {
    requests: repeatRequest(request, config.candidateCount ?? 1),
    hideThinking,
    ...defined({ hosted, onlyHosted: hasFunctions || hosted?.search !== undefined ? undefined : values.tools }),
    ...dropped.report(),
  };
}

/**
 * Reads the body of a request to count tokens, whose prompt may be in a request for content.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://ai.google.dev/api/tokens
 */
export function readTokenCount(value: unknown, canSearch = false): ParsedContent {
  const body = readObjectBody(value);
  const inner = body['generateContentRequest'] ?? body['generate_content_request'];
  // The model in the path is the one that the key was checked for.
  const { onlyHosted: _onlyHosted, ...parsed } = readContent(
    isObject(inner) ? { ...inner, model: body['model'] } : body,
    canSearch,
  );
  const { format: _format, ...request } = parsed.requests[0];
  return { ...parsed, requests: [{ ...request, sampling: { maxTokens: 1 } }] };
}

/** The names that `readSettings` knows. */
function optionsOf(config: Values<typeof generationFields>): JsonObject {
  return defined({
    temperature: config.temperature,
    top_p: config.topP,
    top_k: config.topK,
    seed: config.seed,
    presence_penalty: config.presencePenalty,
    frequency_penalty: config.frequencyPenalty,
    stop: config.stopSequences,
    max_output_tokens: config.maxOutputTokens,
  });
}

/** The names that `readThinking` knows. */
function thinkingOf({ thinkingBudget, thinkingLevel }: JsonObject = {}): JsonObject {
  const level = typeof thinkingLevel === 'string' ? thinkingLevel.toLowerCase() : thinkingLevel;
  return defined({
    thinking_budget: thinkingBudget ?? undefined,
    reasoning_effort: level === 'thinking_level_unspecified' || level === null ? undefined : level,
  });
}
