/** What a backend's answer consists of, in order. A whole answer ends in exactly one `finish`. */
export type ChatEvent =
  | { readonly type: 'text'; readonly text: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly type: 'reasoning'; readonly text: string }
  | ToolCallEvent
  | FinishEvent;

/** Where events go. */
export type Emit = (event: ChatEvent) => void;

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
  readonly usage: Usage;
  readonly timings: Timings;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls';

/** Tokens, as the backend counted them; 0 where it did not say. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
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
