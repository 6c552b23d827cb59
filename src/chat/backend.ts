import type { GatewayError } from '../errors.ts';
import type { EmbeddingsRequest, EmbeddingsResult } from './embeddings.ts';
import type { Emit } from './event.ts';
import type { GenerationRequest, JsonObject } from './request.ts';
import type { Decoder, UsageObserver } from './stream.ts';

/** A model in a backend's list. */
export interface ModelInfo {
  readonly name: string;
  /** Unix seconds. */
  readonly modified: number;
  /** Bytes on disk, if the backend reports them. */
  readonly bytes?: number;
}

/** A model in a backend's memory. Absent is what the backend does not report. */
export interface LoadedModel {
  readonly name: string;
  /** Bytes of memory, those of GPUs included. */
  readonly bytes?: number;
  /** Bytes of GPU memory. */
  readonly gpuBytes?: number;
  /** Tokens of the context with which it is loaded. */
  readonly contextLength?: number;
  /** The time at which it is unloaded if it is not used, in milliseconds since the epoch. */
  readonly expires?: number;
}

/** Details of a model, as far as its backend reports them. */
export interface ModelDetails {
  /** For example completion, tools, thinking, vision, embedding. */
  readonly capabilities?: readonly string[];
  /** Tokens that the model was made for. It may be loaded with a smaller context. */
  readonly contextLength?: number;
  /** Tokens of the context with which the model's file says to load it. */
  readonly configuredContext?: number;
}

/** A request to a backend that does not generate. @throws {GatewayError} `upstream_protocol_error` from `read` */
export interface BackendQuery<Answer> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  /** Reads the JSON of the backend's answer. */
  readonly read: (body: unknown) => Answer;
}

export interface EmbeddingsQuery extends BackendQuery<EmbeddingsResult> {
  /** Fields that this kind of backend does not support. */
  readonly dropped: readonly string[];
}

/** A request rewritten for a model that refused its first form, and the fields that it lost. */
export interface Adaptation {
  readonly request: GenerationRequest;
  readonly dropped: readonly string[];
}

/** A generation request in a backend's own API; its answer is always a stream. */
export interface BackendRequest {
  /** Below the path of the upstream's address. */
  readonly path: string;
  readonly body: object;
  /** Fields that this kind of backend does not support. */
  readonly dropped: readonly string[];
}

/** A body in the backend's own API whose schemas it can turn into grammars, and the keywords that they lost. */
export interface SafeBody {
  readonly body: JsonObject;
  readonly dropped: readonly string[];
}

/** The API of one kind of backend. */
export interface Backend {
  generation(request: GenerationRequest): BackendRequest;
  /** Checks a request before it waits for a slot. Absent: there is nothing to check. @throws {GatewayError} 400 with `param` */
  check?(request: GenerationRequest): void;
  /** @param watch adds a stage that sees every text before anything is made of it */
  decoder(request: GenerationRequest, emit: Emit, maxLineBytes: number, watch?: (emit: Emit) => Emit): Decoder;
  /**
   * Translates an answer with a status other than 2xx.
   *
   * @param body cut to some KiB
   * @param retryAfter the header's value in seconds
   */
  error(status: number, body: string, retryAfter?: number): GatewayError;
  /** @returns the request to send after a refusal; undefined when no other form can help */
  adapt(request: GenerationRequest, refusal: GatewayError): Adaptation | undefined;
  /** True for a refusal that says that the model, or the server as it was started, takes no tools. */
  refusesTools(refusal: GatewayError): boolean;
  observer(): UsageObserver;
  /** Simplifies the schemas in a body of the backend's own API. @returns the body itself when none needs it */
  safeSchemas(body: JsonObject): SafeBody;
  embeddings(request: EmbeddingsRequest): EmbeddingsQuery;
  /** Translates an answer to an embeddings request with a status other than 2xx. */
  embeddingsError(status: number, body: string, retryAfter?: number): GatewayError;
  /** True when it compares model names byte by byte. Absent: it reads them as Ollama does. */
  readonly takesExactIds?: boolean;
  /** The version of the server. Absent when the backend cannot report it. */
  readonly version?: BackendQuery<string | undefined>;
  /** Lists the models. Details that the list contains are not requested again. */
  readonly models: BackendQuery<(ModelInfo & ModelDetails)[]>;
  /** Absent when the list contains all details. */
  details?(model: string): BackendQuery<ModelDetails>;
  /** Lists the models in memory. Absent when the backend cannot report them. */
  readonly loaded?: BackendQuery<LoadedModel[]>;
  /** The context of a loaded model in tokens; undefined when it is not loaded. Absent when it cannot be reported. */
  contextLength?(model: string): BackendQuery<number | undefined>;
}
