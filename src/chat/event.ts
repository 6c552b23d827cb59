/** One event of a backend's answer. A complete answer ends in exactly one `finish`. */
export type ChatEvent =
  | { readonly type: 'text'; readonly text: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly type: 'reasoning'; readonly text: string }
  | ToolCallEvent
  | FinishEvent;

/** Takes the events of an answer, in order. */
export interface Emit {
  (event: ChatEvent): void;
  /** A faster way for texts, present when nothing between the decoder and the encoder looks at them. */
  readonly verbatim?: Verbatim;
}

/** Takes texts as the JSON that the backend sent, which is then neither parsed nor serialised again. */
export interface Verbatim {
  /** The frame for the next texts; undefined while the next text needs more than a frame around it. */
  frame(): Frame | undefined;
  /** @param texts the JSON of texts, each already in its frame; bytes as Latin-1 */
  take(texts: string): void;
}

/** The bytes before and after the JSON of a text in a client's stream, as Latin-1. */
export interface Frame {
  readonly before: string;
  readonly after: string;
}

/** A complete tool call. */
export interface ToolCallEvent {
  readonly type: 'tool-call';
  /** Unique within the answer. */
  readonly id: string;
  readonly name: string;
  /** A JSON object, as text: numbers keep every digit that the backend sent. */
  readonly arguments: string;
}

/** The end of a complete answer. */
export interface FinishEvent {
  readonly type: 'finish';
  readonly reason: FinishReason;
  /** The stop sequence that ended the answer, if known. */
  readonly stopSequence?: string;
  readonly usage: Usage;
  readonly timings: Timings;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** Tokens, as the backend counted them; 0 if it did not report them. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The part of the input that was in the backend's cache; absent if not reported. */
  readonly cachedTokens?: number;
  /** The part of the output that was thinking; absent if not reported. */
  readonly reasoningTokens?: number;
}

/** The backend's own durations in seconds; absent if not reported. */
export interface Timings {
  readonly load?: number;
  readonly promptEval?: number;
  readonly eval?: number;
  /** From the request to the end of the answer, waiting included. */
  readonly total?: number;
}

/** @see https://platform.openai.com/docs/api-reference/chat/object (logprobs.content) */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: number[] | null;
  readonly top_logprobs: { readonly token: string; readonly logprob: number; readonly bytes: number[] | null }[];
}
