import type { ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions';
import type { CompletionCreateParamsStreaming } from 'openai/resources/completions';
import type { BackendRequest } from '../../chat/backend.ts';
import type { ChatRequest, CompletionRequest, GenerationRequest, Think, Tool } from '../../chat/request.ts';
import { PatternBudget, grammarSchema } from '../grammar-schema.ts';
import { toMessages } from './messages.ts';
import { toSampling } from './options.ts';

type ChatBody = ChatCompletionCreateParamsStreaming;

/**
 * Translates a request. It is always streamed, because only a stream can be cancelled and measured. Fields that the server
 * refused before (`without`) are left out.
 */
export function toOpenAi(request: GenerationRequest): BackendRequest {
  const { fields, dropped } = toSampling(request);
  const keywords = droppedKeywords(request);
  const without = new Set(request.without);
  const body = new Map<string, unknown>(
    Object.entries({
      ...request.extra?.fields,
      ...(request.kind === 'chat' ? toChat(request, without) : toCompletion(request)),
      ...fields,
    }),
  );
  // Most local servers know the older name, OpenAI's newest models only the newer one.
  if (without.has('max_tokens') && body.has('max_tokens')) body.set('max_completion_tokens', body.get('max_tokens'));
  if (without.has('logprobs')) body.delete('top_logprobs');
  for (const field of without) body.delete(field);
  return {
    path: request.kind === 'chat' ? '/chat/completions' : '/completions',
    body: Object.fromEntries(body),
    dropped: [...dropped, ...droppedFields(request), ...keywords],
  };
}

/** @see https://platform.openai.com/docs/api-reference/chat/create */
function toChat(request: ChatRequest, without: ReadonlySet<string>): ChatBody {
  const { toolChoice, parallelToolCalls, format, think, logprobs } = request;
  const tools = request.tools?.length === 0 || request.toolsAreText === true ? undefined : request.tools;
  return {
    ...toCommon(request),
    messages: toMessages(request.messages, !without.has('reasoning_content')),
    ...(tools !== undefined && { tools: tools.map(toTool), ...toToolChoice(toolChoice) }),
    // Servers refuse this field when there are no tools.
    ...(tools !== undefined && parallelToolCalls !== undefined && { parallel_tool_calls: parallelToolCalls }),
    ...(format !== undefined && { response_format: toResponseFormat(format) }),
    // The openai package's type lacks values that the API accepts.
    ...(think !== undefined && { reasoning_effort: toEffort(think) as NonNullable<ChatBody['reasoning_effort']> }),
    ...(logprobs !== undefined && {
      logprobs: true,
      ...(logprobs.top > 0 && { top_logprobs: logprobs.top }),
    }),
  };
}

/** @see https://platform.openai.com/docs/api-reference/completions/create */
function toCompletion(request: CompletionRequest): CompletionCreateParamsStreaming {
  const { prompt, suffix, logprobs } = request;
  return {
    ...toCommon(request),
    prompt,
    ...(suffix !== undefined && { suffix }),
    ...(logprobs !== undefined && { logprobs: logprobs.top }),
  };
}

function toCommon({ model }: GenerationRequest): Pick<ChatBody, 'model' | 'stream_options'> & { stream: true } {
  return { model, stream: true, stream_options: { include_usage: true } };
}

/** The request's fields that this API does not have, besides options. `raw` is not one of them: completions use no template. */
function droppedFields(request: GenerationRequest): string[] {
  const { keepAlive, truncate, kind, format, think } = request;
  return [
    ...(keepAlive === undefined ? [] : ['keep_alive']),
    ...(truncate === true ? ['truncate'] : []),
    ...(kind === 'completion' && format !== undefined ? ['format'] : []),
    // The format leaves no room for a call as text.
    ...(kind === 'chat' && request.toolsAreText === true && format !== undefined ? ['tools'] : []),
    ...(kind === 'completion' && think !== undefined && think !== false ? ['think'] : []),
  ];
}

/**
 * Makes the schemas of a request safe, within one budget.
 *
 * @returns the keywords that llama.cpp cannot turn into a grammar; its own error would not say which they are
 */
function droppedKeywords(request: GenerationRequest): string[] {
  const { format } = request;
  const tools = request.kind === 'chat' ? (request.tools ?? []) : [];
  const patterns = new PatternBudget();
  return [
    ...(typeof format === 'object' ? named(grammarSchema(format, patterns), 'response_format') : []),
    ...tools.flatMap(({ parameters = {} }) => named(grammarSchema(parameters, patterns), 'tools')),
  ];
}

function named({ dropped }: ReturnType<typeof grammarSchema>, field: string): string[] {
  return dropped.map((keyword) => `${field}.${keyword}`);
}

function toTool({ name, description, parameters = { type: 'object', properties: {} } }: Tool): {
  type: 'function';
  function: { name: string; description?: string; parameters: Record<string, unknown> };
} {
  const { schema } = grammarSchema(parameters);
  return {
    type: 'function',
    function: { name, ...(description !== undefined && { description }), parameters: schema },
  };
}

function toToolChoice(choice: ChatRequest['toolChoice']): Pick<ChatBody, 'tool_choice'> {
  if (choice === undefined) return {};
  return { tool_choice: choice === 'required' ? choice : { type: 'function', function: { name: choice.name } } };
}

function toResponseFormat(format: NonNullable<ChatRequest['format']>): NonNullable<ChatBody['response_format']> {
  if (format === 'json') return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: 'answer', schema: grammarSchema(format).schema } };
}

function toEffort(think: Think): string {
  if (think === true) return 'medium';
  if (think === false) return 'none';
  return think === 'max' ? 'xhigh' : think;
}
