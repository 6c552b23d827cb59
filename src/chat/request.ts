import type { GatewayError } from '../errors.ts';

/** A client's request to a model, independent of its dialect and of the backend: a chat, or a text to be continued. */
export type GenerationRequest = ChatRequest | CompletionRequest;

interface Generation {
  /** '' when the client sent none: the operator may have configured a default. */
  readonly model: string;
  readonly sampling: Sampling;
  /** `json` for any JSON object, or the JSON Schema that the answer must match. */
  readonly format?: 'json' | JsonObject;
  /** False for no thinking; absent leaves it to the model. */
  readonly think?: Think;
  /** Present when the client wants log probabilities, with this many alternatives per token. */
  readonly logprobs?: { readonly top: number };
  /** Ollama's own options (num_ctx, top_k, ...), passed on unchanged. `sampling` overrides them. */
  readonly options?: JsonObject;
  /** The time for which the model stays loaded: seconds, or a Go duration. */
  readonly keepAlive?: string | number;
  /** True to cut a prompt that is longer than the context; absent, it is an error. */
  readonly truncate?: boolean;
  /** Fields that only servers with OpenAI's API have, and that are sent to them unchanged. */
  readonly extra?: Extra;
  /** Fields of the backend's own request that it refused, by the backend's names. */
  readonly without?: readonly string[];
}

export interface Extra {
  readonly fields: JsonObject;
  /** The names under which other servers report them as dropped. */
  readonly names: readonly string[];
}

export interface ChatRequest extends Generation {
  readonly kind: 'chat';
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  /** Absent: the model decides. */
  readonly toolChoice?: ToolChoice;
  /** False for at most one call per answer. */
  readonly parallelToolCalls?: boolean;
  /** True if the messages describe the tools, because the model's template has no place for them. Calls are then text too. */
  readonly toolsAreText?: boolean;
}

/** A text that the model continues, or whose gap before `suffix` it fills. */
export interface CompletionRequest extends Generation {
  readonly kind: 'completion';
  readonly prompt: string;
  readonly suffix?: string;
  /** True to send the prompt to the model without its template. */
  readonly raw?: boolean;
}

/** `required`: the model must call some tool; a name: it must call that one. */
export type ToolChoice = 'required' | { readonly name: string };

export type JsonObject = Readonly<Record<string, unknown>>;

export type Think = boolean | 'low' | 'medium' | 'high' | 'max';

/** Parameters that are absent are not sent, so that the model's own defaults apply. */
export interface Sampling {
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Upper bound of generated tokens, thinking included. */
  readonly maxTokens?: number;
}

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage | OtherMessage;

/**
 * The parts of a message besides its text. Clients send them in messages of every role; `settleHistory` moves them into
 * users' messages, because only those have a place for them in every backend.
 */
export interface Attachments {
  readonly images?: readonly Image[];
  readonly audio?: readonly Audio[];
  readonly documents?: readonly PdfDocument[];
}

export interface SystemMessage extends Attachments {
  readonly role: 'system';
  readonly text: string;
  /** True for one that the operator put there. It is sent where it is, whatever the model's template says. */
  readonly isPinned?: boolean;
}

export interface UserMessage extends Attachments {
  readonly role: 'user';
  readonly text: string;
  readonly images: readonly Image[];
}

/**
 * Base64 without a data URI's prefix, an address that is fetched before the request is sent to a backend, or the error for
 * an image that cannot be read.
 */
export type Image =
  | { readonly base64: string }
  | { readonly url: string; readonly param: string }
  | { readonly fault: GatewayError };

/** A recording. `format` is OpenAI's word for its encoding, such as wav or mp3. */
export type Audio =
  | { readonly base64: string; readonly format: string; readonly param: string }
  | { readonly fault: GatewayError };

/** A PDF whose text replaces the placeholder in the message's text, if this server extracts it. */
export interface PdfDocument {
  readonly placeholder: string;
  /** Precedes the document's text. '' for a document without a name. */
  readonly name: string;
  readonly base64: string;
  /** The dialect's name for it among dropped fields, should it not be read. */
  readonly field: string;
}

export interface AssistantMessage extends Attachments {
  readonly role: 'assistant';
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
}

/** A call in an earlier answer. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: JsonObject;
}

/** The result of a tool call. */
export interface ToolMessage extends Attachments {
  readonly role: 'tool';
  readonly text: string;
  readonly callId: string;
  /** The tool that was called, if the history contains its name. */
  readonly name: string | undefined;
}

/** A message of a role that only some models know, such as Granite's `control`. It is passed on. */
export interface OtherMessage extends Attachments {
  readonly role: 'other';
  readonly name: string;
  readonly text: string;
}

export interface Tool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of the arguments. */
  readonly parameters?: JsonObject;
  /** True for the web search, which llamaduct runs. Absent: the client runs the tool. */
  readonly runsHere?: boolean;
}
