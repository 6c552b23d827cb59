import type { JsonObject } from './request.ts';
import type { TotalUsage } from './stream.ts';

/** Texts to make vectors of, whatever the client's dialect and whatever the backend. */
export interface EmbeddingsRequest {
  /** '' where the client names none: the operator may have a default. */
  readonly model: string;
  /** At least one, none of them empty. */
  readonly input: readonly string[];
  /** How many components a vector is to have. Absent: as many as the model makes. */
  readonly dimensions?: number;
  /** Whether a text longer than the context may be cut; absent, it is an error. */
  readonly truncate?: boolean;
  /** Ollama's own options, passed as they are. */
  readonly options?: JsonObject;
  /** How long the model stays loaded: seconds, or a Go duration. */
  readonly keepAlive?: string | number;
}

export interface EmbeddingsResult extends TotalUsage {
  /** One for each text, in their order. */
  readonly vectors: readonly number[][];
}
