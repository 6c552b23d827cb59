import type { Constraint } from '../../chat/constraint.ts';
import type { History, PassThroughRoute } from '../../chat/protocol.ts';
import type { ChatRequest, JsonObject, Tool } from '../../chat/request.ts';
import { foldedName, isObject, textIn } from '../../framing/json.ts';
import { sseData } from '../../framing/sse.ts';
import { DroppedFields } from '../dropped-fields.ts';
import type { FieldTable } from '../field-table.ts';
import { hostedKind } from '../hosted-tools.ts';
import { chatCompletionFields } from './chat-completions/fields.ts';
import { embeddingsFields } from './embeddings/fields.ts';
import { readMessages } from './chat-completions/messages.ts';
import { mendHistory } from './chat-completions/mend-history.ts';
import { errorEvent } from './error.ts';

/** Fields that llamaduct adds to OpenAI's: no other server knows them. */
const ownFields: ReadonlySet<string> = new Set([
  'options',
  'think',
  'hide_thinking',
  'hidethinking',
  'format',
  'raw',
  ...ollamaFields(chatCompletionFields),
  ...ollamaFields(embeddingsFields),
]);

function ollamaFields(table: FieldTable): string[] {
  return Object.keys(table).filter((name) => table[name]?.effect === 'ollama');
}

/** Models of one body that are looked at. A body with more than one is not passed on, so a few are enough. */
const maxNamed = 16;

/** Fields that name models. OpenRouter and LiteLLM accept fallback models. */
const modelFields = new Set(['model', 'models', 'fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks']);

/** The models in a body. Servers written in Go ignore the case of names. */
function modelsIn(body: unknown): string[] {
  if (!isObject(body)) return [];
  const named: string[] = [];
  for (const [name, value] of Object.entries(body)) if (modelFields.has(foldedName(name))) addTexts(value, named);
  return named;
}

function addTexts(value: unknown, texts: string[]): void {
  if (texts.length === maxNamed) return;
  if (typeof value === 'string') texts.push(value);
  else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) addTexts(part, texts);
}

/**
 * True when only llamaduct can serve the body. Several choices or prompts always need it, so that their limit applies, and so do
 * the tokens of another encoding than the model's, and custom tools and lists of allowed tools, which hardly any server but
 * OpenAI's has.
 */
function needsGateway(body: unknown): boolean {
  if (!isObject(body)) return true;
  return Object.entries(body).some(([name, value]) => {
    const field = foldedName(name);
    if (field === 'n' || field === 'best_of') return value != null && value !== 1;
    if (field === 'prompt') return Array.isArray(value);
    if (field === 'input') return Array.isArray(value) && value.some((part) => typeof part !== 'string');
    if (field === 'tools') return Array.isArray(value) && value.some(isCustom);
    if (field === 'tool_choice') return isCustom(value) || (isObject(value) && value['type'] === 'allowed_tools');
    if (field === 'messages') return Array.isArray(value) && value.some(hasCustomCalls);
    return value != null && ownFields.has(field);
  });
}

/** True for a custom tool, a choice of one, or a call of one. */
function isCustom(value: unknown): boolean {
  return isObject(value) && value['type'] === 'custom';
}

function hasCustomCalls(message: unknown): boolean {
  const calls = isObject(message) ? message['tool_calls'] : undefined;
  return Array.isArray(calls) && calls.some(isCustom);
}

/** True for a chat that may search the web. */
function asksForSearch(body: unknown): boolean {
  if (!isObject(body)) return false;
  const { tools, web_search_options: options } = body;
  if (options != null) return true;
  return (
    Array.isArray(tools) && tools.some((tool) => isObject(tool) && hostedKind(String(tool['type'])) === 'web search')
  );
}

function outputTokens(body: unknown): number | undefined {
  if (!isObject(body)) return undefined;
  const limits = [body['max_completion_tokens'], body['max_tokens']];
  return limits.find((limit) => typeof limit === 'number' && limit > 0) as number | undefined;
}

function unseenTokens(body: unknown): number | undefined {
  return sse.isRequested(body) ? undefined : (outputTokens(body) ?? Infinity);
}

function constraint(body: unknown): Constraint | undefined {
  if (!isObject(body)) return undefined;
  const { response_format: format, tool_choice: choice } = body;
  const type = isObject(format) ? format['type'] : undefined;
  if (type === 'json_schema' || isObject(choice) || choice === 'required') return 'schema';
  return type === 'json_object' ? 'json' : undefined;
}

const endAtLength =
  (object: string, content: object) =>
  (model: string, lastRecords: string): string => {
    const id = /"id":\s*"([^"\\]{1,200})"/.exec(lastRecords)?.[1] ?? 'cut';
    const choices = [{ index: 0, ...content, finish_reason: 'length' }];
    const record = { id, object, created: Math.floor(Date.now() / 1000), model, choices };
    // An empty line ends the event that may have begun.
    return `\n${sseData(JSON.stringify(record))}${sseData('[DONE]')}`;
  };
const endChatAtLength = endAtLength('chat.completion.chunk', { delta: {} });
const endCompletionAtLength = endAtLength('text_completion', { text: '' });

const sse = { isRequested: (body: unknown) => isObject(body) && body['stream'] === true, failure: errorEvent };

function readHistory(body: JsonObject): History {
  const dropped = new DroppedFields();
  const messages = readMessages(body['messages'], dropped);
  return { messages, dropped: [...dropped.names] };
}

function readTools(body: JsonObject): ChatRequest | undefined {
  const { tools, tool_choice: choice, parallel_tool_calls: parallel, response_format: format } = body;
  if (!Array.isArray(tools) || choice === 'none' || (isObject(format) && format['type'] !== 'text')) return undefined;
  const read: Tool[] = [];
  for (const tool of tools) {
    const fields = isObject(tool) ? tool['function'] : undefined;
    // The calls of other types of tools have other fields.
    if (!isObject(fields) || typeof fields['name'] !== 'string') return undefined;
    const { name, parameters } = fields;
    read.push({ name, ...(isObject(parameters) && { parameters }) });
  }
  return {
    kind: 'chat',
    model: textIn(body['model']),
    sampling: {},
    messages: [],
    tools: read,
    ...(parallel === false && { parallelToolCalls: false }),
  };
}

/** The paths passed through to a server with an OpenAI API. Its configured address already contains /v1. */
export const openaiRoutes: readonly PassThroughRoute[] = ['/chat/completions', '/completions', '/embeddings'].map(
  (upstreamPath) => ({
    method: 'POST',
    path: `/v1${upstreamPath}`,
    upstreamPath,
    scope: 'inference',
    modelsIn,
    needsGateway,
    ...(upstreamPath === '/chat/completions' && { asksForSearch, mendHistory, readHistory, readTools }),
    ...(upstreamPath === '/embeddings'
      ? { outputTokens: () => 0 }
      : {
          outputTokens,
          unseenTokens,
          constraint,
          endAtLength: upstreamPath === '/completions' ? endCompletionAtLength : endChatAtLength,
          sse,
        }),
  }),
);
