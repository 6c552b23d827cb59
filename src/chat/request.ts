/** What a client asks a model for, whatever its dialect and whatever the backend: a chat, or text to be continued. */
export type GenerationRequest = ChatRequest | CompletionRequest;

interface Generation {
  readonly model: string;
  readonly sampling: Sampling;
  /** `json` for any JSON object, or the JSON Schema the answer must match. */
  readonly format?: 'json' | JsonObject;
  /** Whether and how hard to think; absent leaves it to the model. */
  readonly think?: Think;
  /** Log probabilities wanted, with this many alternatives a token. */
  readonly logprobs?: { readonly top: number };
  /** Ollama's own options (num_ctx, top_k, ...), passed as they are; `sampling` wins over them. */
  readonly options?: JsonObject;
  /** How long the model stays loaded: seconds, or a Go duration. */
  readonly keepAlive?: string | number;
  /** Whether a prompt longer than the context may be cut; absent, it is an error. */
  readonly truncate?: boolean;
  /** Fields of the backend's own request that it has refused, by the backend's names. */
  readonly without?: readonly string[];
}

export interface ChatRequest extends Generation {
  readonly kind: 'chat';
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  /** Absent: the model decides. */
  readonly toolChoice?: ToolChoice;
  /** False for at most one call an answer. */
  readonly parallelToolCalls?: boolean;
}

/** Text before, and perhaps after, what the model is to write. */
export interface CompletionRequest extends Generation {
  readonly kind: 'completion';
  readonly prompt: string;
  readonly suffix?: string;
  /** Whether the prompt goes to the model without its template. */
  readonly raw?: boolean;
}

/** `required`: some tool must be called; a name: that one. */
export type ToolChoice = 'required' | { readonly name: string };

export type JsonObject = Readonly<Record<string, unknown>>;

export type Think = boolean | 'low' | 'medium' | 'high' | 'max';

/** What is absent is not sent: the model's own defaults win over ours. */
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

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

export interface SystemMessage {
  readonly role: 'system';
  readonly text: string;
}

export interface UserMessage {
  readonly role: 'user';
  readonly text: string;
  readonly images: readonly Image[];
}

/** Base64 without a data URI's head, or an address to be fetched from before the backend is asked. */
export type Image = { readonly base64: string } | { readonly url: string; readonly param: string };

export interface AssistantMessage {
  readonly role: 'assistant';
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly arguments: JsonObject }[];
}

export interface ToolMessage {
  readonly role: 'tool';
  readonly text: string;
  readonly callId: string;
  /** The tool that was called, where the history tells it. */
  readonly name: string | undefined;
}

export interface Tool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of the arguments. */
  readonly parameters?: JsonObject;
}
