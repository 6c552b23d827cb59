/** The canonical chat request: what every client dialect is read into and every backend dialect is written from. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  /** `json` for any JSON object, or the JSON Schema the answer must match. */
  readonly format?: 'json' | JsonObject;
  /** Whether and how hard to think; absent leaves it to the model. */
  readonly think?: Think;
  readonly sampling: Sampling;
  /** Log probabilities wanted, with this many alternatives a token. */
  readonly logprobs?: { readonly top: number };
  /** Ollama's own options (num_ctx, top_k, ...), passed as they are; `sampling` wins over them. */
  readonly options?: JsonObject;
  /** How long the model stays loaded: seconds, or a Go duration. */
  readonly keepAlive?: string | number;
}

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
  /** Base64 of each image, without a data URI's head. */
  readonly images: readonly string[];
}

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
