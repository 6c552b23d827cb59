import type { GenerateRequest, ChatRequest as OllamaChatRequest, Message as OllamaMessage, Options } from 'ollama';
import type { BackendRequest } from '../../chat/backend.ts';
import type {
  Audio,
  ChatRequest,
  CompletionRequest,
  GenerationRequest,
  Image,
  JsonObject,
  Message,
  Tool,
} from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { grammarSchema } from '../grammar-schema.ts';
import { formatWithCalls } from './forced-tool-calls.ts';
import { schemaBudgetOf, toOllamaTools } from './tools.ts';

/** Translates a request for Ollama. It is always streamed, because only a stream can be cancelled and measured. */
export function toOllama(request: GenerationRequest): BackendRequest {
  const body = request.kind === 'chat' ? toOllamaChat(request) : toOllamaGenerate(request);
  const unheeded = request.extra?.names ?? [];
  const { format } = body;
  const path = request.kind === 'chat' ? '/api/chat' : '/api/generate';
  if (typeof format !== 'object') return { path, body, dropped: unheeded };
  const { schema, dropped } = grammarSchema(format as JsonObject);
  const keywords = dropped.map((keyword) => `response_format.${keyword}`);
  return { path, body: { ...body, format: schema }, dropped: [...unheeded, ...keywords] };
}

type Body = Pick<OllamaChatRequest, 'format'> & Readonly<Record<string, unknown>>;

/** The ollama package does not declare this field yet. */
interface Truncation {
  /** False: a prompt that is longer than the context is an error. */
  truncate: boolean;
}

/** @see https://docs.ollama.com/api/chat */
function toOllamaChat(request: ChatRequest): Body {
  return {
    ...toCommon(request),
    messages: request.messages.map(toMessage),
    ...(request.tools !== undefined && toolFields(request.tools, request)),
  } satisfies OllamaChatRequest & Truncation;
}

function toolFields(tools: readonly Tool[], request: ChatRequest): Pick<OllamaChatRequest, 'tools' | 'format'> {
  const budget = schemaBudgetOf(request);
  const format = formatWithCalls(tools, request, budget);
  return {
    ...(request.toolsAreText !== true && { tools: toOllamaTools(tools, budget) }),
    ...(format !== undefined && { format }),
  };
}

/** @see https://docs.ollama.com/api/generate */
function toOllamaGenerate(request: CompletionRequest): Body {
  const { prompt, suffix, raw } = request;
  return {
    ...toCommon(request),
    prompt,
    ...(suffix !== undefined && { suffix }),
    ...(raw !== undefined && { raw }),
  } satisfies GenerateRequest & Truncation;
}

function toCommon(request: GenerationRequest): Omit<OllamaChatRequest, 'messages'> & { stream: true } & Truncation {
  const options = { ...request.options, ...toOptions(request) };
  return {
    model: request.model,
    stream: true,
    // By default Ollama cuts a long prompt and reports nothing.
    truncate: request.truncate ?? false,
    ...(request.format !== undefined && { format: request.format }),
    // The ollama package's type stops at 'high'; newer servers accept 'max' too.
    ...(request.think !== undefined && { think: request.think as NonNullable<OllamaChatRequest['think']> }),
    ...(request.keepAlive !== undefined && { keep_alive: request.keepAlive }),
    ...(request.logprobs !== undefined && {
      logprobs: true,
      ...(request.logprobs.top > 0 && { top_logprobs: request.logprobs.top }),
    }),
    ...(Object.keys(options).length > 0 && { options }),
  };
}

function toOptions({ sampling }: GenerationRequest): Partial<Options> {
  return {
    ...(sampling.temperature !== undefined && { temperature: sampling.temperature }),
    ...(sampling.topP !== undefined && { top_p: sampling.topP }),
    ...(sampling.seed !== undefined && { seed: sampling.seed }),
    ...(sampling.stop !== undefined && { stop: [...sampling.stop] }),
    ...(sampling.frequencyPenalty !== undefined && { frequency_penalty: sampling.frequencyPenalty }),
    ...(sampling.presencePenalty !== undefined && { presence_penalty: sampling.presencePenalty }),
    ...(sampling.maxTokens !== undefined && { num_predict: sampling.maxTokens }),
  };
}

/** The server reads the ids of tool calls, also in tool messages; the ollama package does not declare them yet. */
type WireMessage = OllamaMessage & {
  tool_calls?: (NonNullable<OllamaMessage['tool_calls']>[number] & { id: string })[];
  tool_call_id?: string;
};

function toMessage(message: Message): WireMessage {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text };
    case 'user':
      return {
        role: 'user',
        content: message.text,
        // Ollama has one field for both, and tells them apart by their first bytes.
        ...imagesField([...message.images, ...(message.audio ?? [])]),
      };
    case 'assistant':
      return {
        role: 'assistant',
        content: message.text,
        ...(message.reasoning !== '' && { thinking: message.reasoning }),
        ...(message.toolCalls.length > 0 && {
          tool_calls: message.toolCalls.map(({ id, name, arguments: args }) => ({
            id,
            function: { name, arguments: args },
          })),
        }),
      };
    case 'tool':
      return {
        role: 'tool',
        content: message.text,
        ...(message.callId !== '' && { tool_call_id: message.callId }),
        ...(message.name !== undefined && { tool_name: message.name }),
      };
    case 'other':
      return { role: message.name, content: message.text };
    default:
      return message satisfies never;
  }
}

function imagesField(media: readonly (Image | Audio)[]): { images?: string[] } {
  return media.length === 0 ? {} : { images: media.map(toBase64) };
}

function toBase64(media: Image | Audio): string {
  if ('base64' in media) return media.base64;
  throw new GatewayError('internal_error', 'An image was not fetched.');
}
