import type { GatewayError } from '../errors.ts';
import type { EmbeddingsRequest, EmbeddingsResult } from './embeddings.ts';
import type { Emit } from './event.ts';
import type { GenerationRequest } from './request.ts';
import type { Decoder, UsageObserver } from './stream.ts';

/** A model as a backend lists it. */
export interface ModelInfo {
  readonly name: string;
  /** Unix seconds. */
  readonly modified: number;
}

/** What a backend tells of one model, where it does. */
export interface ModelDetails {
  /** For example completion, tools, thinking, vision, embedding. */
  readonly capabilities?: readonly string[];
  /** Tokens that the model was made for; what it is loaded with may be less. */
  readonly contextLength?: number;
}

/** A question to a backend besides generating. @throws {GatewayError} `upstream_protocol_error` from `read` */
export interface Question<Answer> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly read: (body: unknown) => Answer;
}

export interface EmbeddingsQuestion extends Question<EmbeddingsResult> {
  /** Fields for which this kind of backend has no place. */
  readonly dropped: readonly string[];
}

/** A request in the form that a model takes which refused the first, and the fields it had to lose. */
export interface Adaptation {
  readonly request: GenerationRequest;
  readonly dropped: readonly string[];
}

/** A backend's own request, always for a stream. */
export interface BackendRequest {
  /** Below the path of the upstream's address. */
  readonly path: string;
  readonly body: object;
  /** Fields for which this kind of backend has no place. */
  readonly dropped: readonly string[];
}

/** What one kind of backend speaks. */
export interface Backend {
  generation(request: GenerationRequest): BackendRequest;
  decoder(request: GenerationRequest, emit: Emit, maxLineBytes: number): Decoder;
  /** What a status other than 2xx and its body (cut to some KiB) mean. @param retryAfter its header, in seconds */
  error(status: number, body: string, retryAfter?: number): GatewayError;
  /** What to ask instead after a refusal; undefined where nothing else helps. */
  adapt(request: GenerationRequest, refusal: GatewayError): Adaptation | undefined;
  observer(): UsageObserver;
  embeddings(request: EmbeddingsRequest): EmbeddingsQuestion;
  /** What a status other than 2xx means as the answer to that question. */
  embeddingsError(status: number, body: string): GatewayError;
  /** What the list tells of a model's details is not asked for again. */
  readonly models: Question<(ModelInfo & ModelDetails)[]>;
  /** Absent where the list tells all there is. */
  details?(model: string): Question<ModelDetails>;
  /** The models it holds in memory. Absent where that cannot be asked. */
  readonly loaded?: Question<string[]>;
  /** The context a loaded model has, in tokens; undefined where it is not loaded. Absent where that cannot be asked. */
  contextLength?(model: string): Question<number | undefined>;
}
