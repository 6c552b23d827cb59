import type { GatewayError } from '../errors.ts';
import type { ModelDetails, ModelInfo } from './backend.ts';
import type { EmbeddingsRequest, EmbeddingsResult } from './embeddings.ts';
import type { ChatResult } from './accumulator.ts';
import type { GenerationRequest } from './request.ts';
import type { Encoder, TotalUsage } from './stream.ts';

/** How a client's dialect tells of an error. */
export interface ErrorFormat {
  body(error: GatewayError): object;
  /** Where the dialect has statuses of its own. Absent: the error's. */
  status?(error: GatewayError): number;
}

/** What all endpoints have in common. */
interface Endpoint {
  /** A Hono path. */
  readonly path: string;
  readonly errors: ErrorFormat;
}

/** What an answer says of itself besides its content. */
export interface AnswerHead {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** As the client named it. */
  readonly model: string;
  /** When the request came, in milliseconds since the epoch with fractions. */
  readonly arrivedAt: number;
  /** The time now, on the clock of `arrivedAt`. */
  now(): number;
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
  /** Whether the answer has to name the stop sequence that ended it, which few backends tell. */
  readonly namesStop?: boolean;
  /** Whether only the prompt's tokens are of interest: the shortest answer will do. */
  readonly onlyCounts?: boolean;
  /** The whole answer, where there is nothing to generate and so no backend to ask. */
  readonly ready?: object;
  encoder(head: AnswerHead): Encoder;
  respond(results: readonly ChatResult[], total: TotalUsage, head: AnswerHead): object;
}

/** An endpoint that generates, in one client dialect. All of them are POST. */
export interface GenerationProtocol extends Endpoint {
  /** What the ids of its answers begin with. */
  readonly idPrefix: string;
  /** Of a stream. */
  readonly contentType: string;
  /** What this dialect calls the fields that OpenAI's chat completions call `response_format`, `messages` and the like. */
  readonly fieldNames?: Readonly<Record<string, string>>;
  /** Fields of the API that may be dropped, each with a series of its own in the metrics. */
  readonly droppable?: readonly string[];
  /**
   * @param owner who may see what this request keeps
   * @throws {GatewayError} 400 with `param` for a body it cannot read
   */
  read(body: unknown, owner: string): GenerationCall | Promise<GenerationCall>;
}

/** One request for embeddings, read. */
export interface EmbeddingsCall {
  readonly request: EmbeddingsRequest;
  /** Fields that the client sent and that change nothing. */
  readonly dropped: readonly string[];
  /** The whole answer, where there is nothing to make a vector of and so no backend to ask: `input` is empty then. */
  readonly ready?: object;
  /** @param head `model` as the answer names it */
  respond(result: EmbeddingsResult, head: AnswerHead): object;
}

/** An endpoint that makes embeddings, in one client dialect. All of them are POST. */
export interface EmbeddingsProtocol extends Endpoint {
  /** @throws {GatewayError} 400 with `param` for a body it cannot read. */
  read(body: unknown): EmbeddingsCall;
}

type Model = ModelInfo & ModelDetails;

/** A model list in a client's dialect: a GET. */
export interface ModelListProtocol extends Endpoint {
  list(models: readonly Model[]): object;
}

/** One model in a client's dialect, named by what the path holds (`:id{.+}`) or by the body of a POST. */
export interface ModelProtocol extends Endpoint {
  readonly method: 'GET' | 'POST';
  /** The model that a body names. @throws {GatewayError} 400 */
  readonly named?: (body: unknown) => string;
  one(model: Model): object;
}

/** What is asked of a resource. */
export interface ResourceRequest {
  /** What the path holds for `:id`; '' where it has none. */
  readonly id: string;
  readonly query: URLSearchParams;
  /** Whose resources these are. */
  readonly owner: string;
}

/** An endpoint that no backend is needed for: something kept, or something that is always the same. */
export interface ResourceProtocol extends Endpoint {
  readonly method: 'GET' | 'DELETE';
  /** @returns an object for JSON, or text. @throws {GatewayError} 404 */
  answer(request: ResourceRequest): object | string | Promise<object | string>;
}

/** A path of a backend's own API that is passed on as it is, both ways. */
export interface PassThroughRoute {
  /** GET stands for HEAD too. */
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A Hono path. */
  readonly path: string;
  /** What a key needs for it. */
  readonly scope: 'inference' | 'admin';
  /** Below the path of the upstream's address. Absent: `path`. */
  readonly upstreamPath?: string;
  /** The models that a request body names, for routes that need a model. */
  readonly modelsNamed?: (body: unknown) => string[];
  /** Whether a body asks for something that only llamaduct does. Absent: none does. */
  readonly asksMore?: (body: unknown) => boolean;
  /**
   * How many tokens a body lets the model answer with; undefined for as many as it likes. Absent for routes that no
   * model runs for.
   */
  readonly outputTokens?: (body: unknown) => number | undefined;
  /** Where an answer may be a stream of SSE: whether a body asks for one, and how that tells of an error. */
  readonly sse?: {
    readonly asks: (body: unknown) => boolean;
    readonly failure: (error: GatewayError) => string;
  };
  /** How a stream of lines of JSON tells of an error. Absent where no answer is one. */
  readonly lineFailure?: (error: GatewayError) => string;
  /** Whether the answer lists `models`, each with its `name`. */
  readonly lists?: boolean;
}

/** Texts that are kept for a while. Bounded: what is oldest may be gone before its time. */
export interface TextStore {
  get(key: string): Promise<string | undefined>;
  put(key: string, text: string): Promise<void>;
  /** @returns whether it was there */
  delete(key: string): Promise<boolean>;
}
