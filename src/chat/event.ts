/** What a backend's answer consists of, in order. A whole answer ends in exactly one `finish`. */
export type ChatEvent =
  | { readonly type: 'text'; readonly text: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly type: 'reasoning'; readonly text: string }
  | ToolCallEvent
  | FinishEvent;

/** Where events go. */
export interface Emit {
  (event: ChatEvent): void;
  /** A shorter way for texts, where nobody between the decoder and the encoder looks at them. */
  readonly verbatim?: Verbatim;
}

/** Takes texts as the JSON that they were sent in, which then is neither parsed nor written again. */
export interface Verbatim {
  /** Undefined while a text needs more than a frame around it. */
  frame(): Frame | undefined;
  /** @param texts bytes as Latin-1: the JSON of texts, each in a frame */
  take(texts: string): void;
}

/** What stands around the JSON of a text in a client's stream, as bytes in Latin-1. */
export interface Frame {
  readonly before: string;
  readonly after: string;
}

/** One whole call. */
export interface ToolCallEvent {
  readonly type: 'tool-call';
  /** Unique within the answer. */
  readonly id: string;
  readonly name: string;
  /** A JSON object, as text: numbers keep every digit the backend sent. */
  readonly arguments: string;
}

export interface FinishEvent {
  readonly type: 'finish';
  readonly reason: FinishReason;
  /** The stop sequence that ended the answer, where that is known. */
  readonly stopSequence?: string;
  readonly usage: Usage;
  readonly timings: Timings;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** Tokens, as the backend counted them; 0 where it did not say. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input, those that were in the backend's cache; absent where it did not say. */
  readonly cachedTokens?: number;
  /** Of the output, those of the thinking; absent where it did not say. */
  readonly reasoningTokens?: number;
}

/** The backend's own durations in seconds; absent where it did not say. */
export interface Timings {
  readonly load?: number;
  readonly promptEval?: number;
  readonly eval?: number;
  /** All of it, waiting included. */
  readonly total?: number;
}

/** @see https://platform.openai.com/docs/api-reference/chat/object (logprobs.content) */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: number[] | null;
  readonly top_logprobs: { readonly token: string; readonly logprob: number; readonly bytes: number[] | null }[];
}
