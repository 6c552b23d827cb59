/** One part of a backend's response. A complete response ends in exactly one `finish`. */
export type ChatEvent = TextEvent | { readonly type: 'reasoning'; readonly text: string } | ToolCallEvent | FinishEvent;

export interface TextEvent {
  readonly type: 'text';
  readonly text: string;
  readonly logprobs?: readonly TokenLogprob[];
}

/** Receives the events of a response, in order. */
export interface Emit {
  (event: ChatEvent): void;
  /** The fast path for texts. Absent when a stage between the decoder and the encoder has to see each event. */
  readonly verbatim?: Verbatim;
}

/**
 * The fast path: texts go to the client as the JSON that the backend sent, neither parsed nor encoded again. The decoder
 * of Ollama and the encoder of chat completions are its two ends; nobody else needs to know it.
 */
export interface Verbatim {
  /** @returns undefined while the next text cannot be sent with only a frame around it; then emit it as an event */
  frame(): Frame | undefined;
  /** @param texts the JSON of one or more texts, each in the frame */
  take(texts: string): void;
  /** Matches the JSON of a text that has to be emitted as an event. Absent: none has to. */
  readonly mustParse?: RegExp;
}

/** The parts of a chunk of the client's stream before and after the JSON of its text. */
export interface Frame {
  readonly before: string;
  readonly after: string;
}

/** One complete tool call. */
export interface ToolCallEvent {
  readonly type: 'tool-call';
  /** Unique within the response. */
  readonly id: string;
  readonly name: string;
  /**
   * The text of a JSON object, in which numbers keep every digit that the backend sent; or the text that the model wrote
   * instead of one.
   */
  readonly arguments: string;
}

export interface FinishEvent {
  readonly type: 'finish';
  readonly reason: FinishReason;
  /** The stop sequence that ended the response, if known. */
  readonly stopSequence?: string;
  readonly usage: Usage;
  readonly timings: Timings;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** Tokens as the backend counted them; 0 if it did not say. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Input tokens that were in the backend's cache; absent if it did not say. */
  readonly cachedTokens?: number;
  /** Output tokens of the reasoning; absent if it did not say. */
  readonly reasoningTokens?: number;
}

/** The backend's own durations in seconds; absent if it did not say. */
export interface Timings {
  readonly load?: number;
  readonly promptEval?: number;
  readonly eval?: number;
  /** The whole request, waiting included. */
  readonly total?: number;
  /** The wait in the gateway's own queue, before the backend's durations; absent if there was none. */
  readonly queue?: number;
}

/** @see https://platform.openai.com/docs/api-reference/chat/object (logprobs.content) */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: number[] | null;
  readonly top_logprobs: { readonly token: string; readonly logprob: number; readonly bytes: number[] | null }[];
}
