import type { JsonObject } from './request.ts';
import type { TotalUsage } from './stream.ts';

/** Texts to turn into vectors, independent of the client's dialect and of the backend. */
export interface EmbeddingsRequest {
  /** '' when the client sent none: the operator may have configured a default. */
  readonly model: string;
  /** At least one text, none of them empty. */
  readonly input: readonly string[];
  /** Components of a vector. Absent: as many as the model makes. */
  readonly dimensions?: number;
  /** True to cut a text that is longer than the context; absent, it is an error. */
  readonly truncate?: boolean;
  /** Ollama's own options, passed on unchanged. */
  readonly options?: JsonObject;
  /** The time for which the model stays loaded: seconds, or a Go duration. */
  readonly keepAlive?: string | number;
}

/** A text, or the token IDs of one in an encoding of OpenAI's. Neither is empty. */
export type EmbeddingInput = string | readonly number[];

export interface EmbeddingsResult extends TotalUsage {
  /** One per text, in the same order. */
  readonly vectors: readonly number[][];
}
