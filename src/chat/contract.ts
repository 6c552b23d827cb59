import type { GatewayError } from '../errors.ts';
import type { ChatEvent, Emit, FinishEvent } from './event.ts';
import type { ChatResult } from './fold.ts';
import type { GenerationRequest, JsonObject } from './request.ts';

/**
 * Bytes of a backend's answer -> events, handed to the function the decoder was made with. Synchronous, no I/O.
 *
 * @throws {GatewayError} from `push` for an error the backend put into its stream and for bytes that are not its
 *   protocol; from `end` when the answer stopped before its own end mark.
 */
export interface Decoder {
  push(bytes: Uint8Array): void;
  end(): void;
}

/** Makes the decoder of one choice, given where its events go. */
export type DecoderMaker = (emit: Emit) => Decoder;

/**
 * Events -> the text of a client's stream. Each method returns what to send, '' for nothing. Synchronous, no I/O.
 * An answer may consist of several choices, each with events of its own.
 */
export interface Encoder {
  write(event: ChatEvent, choice: number): string;
  /** After the last event of every choice. */
  end(total: Total): string;
  /** Instead of `end`, when the answer broke: the client must not take it for a whole one. */
  fail(error: GatewayError): string;
}

/** What a backend counted, over all choices. */
export type Total = Pick<FinishEvent, 'usage' | 'timings'>;

/** Reads along an answer of a backend that is relayed untouched. */
export interface Tap {
  push(bytes: Uint8Array): void;
  /** What the backend counted, where it told, and whether the answer ended in an error. */
  end(): { readonly finish?: Total; readonly failed: boolean };
}

/** What an answer says of itself besides its content. */
export interface AnswerHead {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** As the client named it. */
  readonly model: string;
}

/** One request, read: what to ask a backend, and how to answer this client. */
export interface GenerationCall {
  /** One for each choice of the answer. */
  readonly requests: readonly [GenerationRequest, ...GenerationRequest[]];
  readonly stream: boolean;
  /** Fields that the client sent and that change nothing. */
  readonly dropped: readonly string[];
  /** Whether the client asked not to be shown the thinking. */
  readonly hideThinking?: boolean;
  encoder(head: AnswerHead): Encoder;
  respond(results: readonly ChatResult[], total: Total, head: AnswerHead): object;
}

/** An error in a client's own shape. */
export type ErrorBody = (error: GatewayError) => object;

/** An endpoint that generates, in one client dialect. */
export interface GenerationProtocol {
  readonly path: string;
  /** What the ids of its answers begin with. */
  readonly idPrefix: string;
  readonly contentType: string;
  readonly errorBody: ErrorBody;
  /** @throws {GatewayError} 400 with `param` for a body it cannot read. */
  read(body: unknown): GenerationCall;
}

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

export interface EmbeddingsResult extends Total {
  /** One for each text, in their order. */
  readonly vectors: readonly number[][];
}

/** One request for embeddings, read. */
export interface EmbeddingsCall {
  readonly request: EmbeddingsRequest;
  /** Fields that the client sent and that change nothing. */
  readonly dropped: readonly string[];
  /** @param model as the answer names it */
  respond(result: EmbeddingsResult, model: string): object;
}

/** An endpoint that makes embeddings, in one client dialect. */
export interface EmbeddingsProtocol {
  readonly path: string;
  readonly errorBody: ErrorBody;
  /** @throws {GatewayError} 400 with `param` for a body it cannot read. */
  read(body: unknown): EmbeddingsCall;
}

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

/** A model list in a client's dialect. */
export interface ModelsProtocol {
  readonly path: string;
  readonly errorBody: ErrorBody;
  list(models: readonly (ModelInfo & ModelDetails)[]): object;
  one(model: ModelInfo & ModelDetails): object;
}

/** A question to a backend besides generating. @throws {GatewayError} `upstream_protocol_error` from `read` */
export interface Question<Answer> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly read: (body: unknown) => Answer;
}

/** A request in the form that a model takes which refused the first, and the fields it had to lose. */
export interface Adaptation {
  readonly request: GenerationRequest;
  readonly dropped: readonly string[];
}

/** What one kind of backend speaks. */
export interface Backend {
  /** The backend's own request, always for a stream. */
  generation(request: GenerationRequest): { readonly path: string; readonly body: object };
  decoder(request: GenerationRequest, emit: Emit, maxLineBytes: number): Decoder;
  /** What a status other than 2xx and its body (cut to some KiB) mean. */
  error(status: number, body: string): GatewayError;
  /** What to ask instead after a refusal; undefined where nothing else helps. */
  adapted(request: GenerationRequest, refusal: GatewayError): Adaptation | undefined;
  tap(): Tap;
  embeddings(request: EmbeddingsRequest): Question<EmbeddingsResult>;
  /** What a status other than 2xx means as the answer to that question. */
  embeddingsError(status: number, body: string): GatewayError;
  readonly models: Question<ModelInfo[]>;
  details(model: string): Question<ModelDetails>;
  /** The context a loaded model has, in tokens; undefined where it is not loaded. */
  contextLength(model: string): Question<number | undefined>;
}

/** A path of a backend's own API that is passed on as it is, both ways. */
export interface PassThroughRoute {
  /** GET stands for HEAD too. */
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A Hono path. */
  readonly path: string;
  /** What a key needs for it. */
  readonly scope: 'inference' | 'admin';
  /** The models that a request body names, for routes that need a model. */
  readonly modelsNamed?: (body: unknown) => string[];
}
