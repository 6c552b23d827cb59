import type { GatewayError } from '../errors.ts';
import type { ChatResult } from './accumulator.ts';
import type { ModelDetails, ModelInfo } from './backend.ts';
import type { Constraint } from './constraint.ts';
import type { EmbeddingInput, EmbeddingsRequest, EmbeddingsResult } from './embeddings.ts';
import type { ChatRequest, GenerationRequest, JsonObject, Message } from './request.ts';
import type { HostedTools } from './search.ts';
import type { Encoder, TotalUsage } from './stream.ts';

/** Formats errors for one client dialect. */
export interface ErrorFormat {
  body(error: GatewayError): object;
  /** Absent: the error's own status. */
  status?(error: GatewayError): number;
}

/** The fields of every endpoint. */
interface Endpoint {
  /** A Hono path. */
  readonly path: string;
  readonly errors: ErrorFormat;
}

/** The fields of an answer besides its content. */
export interface AnswerHead {
  readonly id: string;
  /** True when the client chose the id: others may know it, and it may not be unique. */
  readonly idIsChosen?: boolean;
  /** Unix seconds. */
  readonly created: number;
  /** The model's name as the client sent it. */
  readonly model: string;
  /** The time at which the request arrived, in milliseconds since the epoch with fractions. */
  readonly arrivedAt: number;
  /** The current time on the clock of `arrivedAt`. */
  now(): number;
}

/** The parts of a request target that a dialect reads. */
export interface ReadTarget {
  /** The path of a route. */
  readonly path: string;
  /** The percent-encoded name of the model, which replaces that of the body. */
  readonly encodedModel?: string;
  /** The key in the query. */
  readonly secret?: string;
}

/**
 * Reads the targets of a dialect that has more in them than a path: the model, the method or the key.
 *
 * @param path without doubled and trailing slashes
 * @param query without the question mark
 * @param header returns a request header
 * @returns undefined for a target that is not of this dialect, or that is the path of a route already
 */
export type TargetReader = (
  path: string,
  query: string,
  header: (name: string) => string | undefined,
) => ReadTarget | undefined;

/** A parsed request: the requests to send to a backend, and the makers of this client's answer. */
export interface GenerationCall {
  /** One for each choice of the answer. */
  readonly requests: readonly [GenerationRequest, ...GenerationRequest[]];
  readonly stream: boolean;
  /** Fields that the client sent and that have no effect. */
  readonly dropped: readonly string[];
  /** The client's spellings of fields, by the names under which a backend reports them as dropped. */
  readonly spellings?: ReadonlyMap<string, string> | undefined;
  /** True when the client does not want to see the model's thinking. */
  readonly hideThinking?: boolean;
  /** True when the answer has to contain the stop sequence that ended it, which few backends report. */
  readonly reportsStop?: boolean;
  /** True when only the prompt's token count is needed, so that the shortest answer is enough. */
  readonly countsOnly?: boolean;
  /** True when the client gets nothing of the answer, because it only prepares the server for the prompt. */
  readonly showsNothing?: boolean;
  /** The complete answer when there is nothing to generate, so that no backend is needed. */
  readonly ready?: object;
  /**
   * Resolves when everything that the answer promises to have stored is stored. Called once the answer is complete, and before
   * the client gets its end. Absent, or undefined: there is nothing to wait for.
   *
   * @throws {GatewayError} when it cannot be stored: the answer then fails
   */
  readonly stored?: (() => Promise<void> | undefined) | undefined;
  /** The tools that the client wants this server to run. Absent: there are none. */
  readonly hosted?: HostedTools;
  /** True when an answer has a form for a web search that is not available. Absent: it is an error. */
  readonly answersMissingSearch?: boolean;
  encoder(head: AnswerHead): Encoder;
  respond(results: readonly ChatResult[], total: TotalUsage, head: AnswerHead): object;
}

/** A POST endpoint that generates, in one client dialect. */
export interface GenerationProtocol extends Endpoint {
  /** The prefix of its answers' ids. */
  readonly idPrefix: string;
  /** The content type of its streams. */
  readonly contentType: string;
  /** The dialect's own names for fields, by their names in OpenAI's chat completions, such as `response_format`. */
  readonly fieldNames?: Readonly<Record<string, string>>;
  /** Fields of the API that may be dropped. Each has its own series in the metrics. */
  readonly droppable?: readonly string[];
  /**
   * Reads a request body.
   *
   * @param owner the only one who may read what this request stores
   * @param quota the quota that stored data counts against. Absent: the owner's
   * @param canSearch true if this server searches the web. Absent: false
   * @throws {GatewayError} 400 with `param` for a body that cannot be read
   */
  read(body: unknown, owner: string, quota?: string, canSearch?: boolean): GenerationCall | Promise<GenerationCall>;
}

/** A parsed embeddings request. */
export interface EmbeddingsCall {
  readonly request: Omit<EmbeddingsRequest, 'input'> & { readonly input: readonly EmbeddingInput[] };
  /** Fields that the client sent and that have no effect. */
  readonly dropped: readonly string[];
  /** The client's spellings of fields, by the names under which a backend reports them as dropped. */
  readonly spellings?: ReadonlyMap<string, string> | undefined;
  /** The complete answer when `input` is empty, so that no backend is needed. */
  readonly ready?: object;
  /** @param head its `model` goes into the answer */
  respond(result: EmbeddingsResult, head: AnswerHead): object;
}

/** A POST endpoint that makes embeddings, in one client dialect. */
export interface EmbeddingsProtocol extends Endpoint {
  /** Tokens that a body may contain in addition to `limits.values`. Absent: none. */
  readonly maxTokens?: number;
  /** Reads a request body. @throws {GatewayError} 400 with `param` for a body that cannot be read */
  read(body: unknown): EmbeddingsCall;
}

type Model = ModelInfo & ModelDetails;

/** A GET endpoint that lists models, in one client dialect. */
export interface ModelListProtocol extends Endpoint {
  list(models: readonly Model[]): object;
}

/** An endpoint that shows one model, in one client dialect. Its name is in the path (`:id{.+}`), or in a POST's body. */
export interface ModelProtocol extends Endpoint {
  readonly method: 'GET' | 'POST';
  /** Reads the model's name from a body. @throws {GatewayError} 400 with `param` */
  readonly readName?: (body: unknown) => string;
  show(model: Model): object;
}

/** A request for a resource. */
export interface ResourceRequest {
  /** The path's `:id`; '' for a path without one. */
  readonly id: string;
  /** The path's `:item`; '' for a path without one. */
  readonly item: string;
  readonly query: URLSearchParams;
  /** Parses the body of a POST. @returns {} for an empty one. @throws {GatewayError} 400 for a body that is not JSON */
  readonly body: () => unknown;
  /** The owner of the resources that may be found. */
  readonly owner: string;
  /** The quota that stored data counts against. Absent: the owner's. */
  readonly quota?: string | undefined;
  /** Reports fields that have no effect. @throws {GatewayError} 400 for the first one in strict mode */
  readonly report: (dropped: readonly string[]) => void;
}

/** An endpoint that needs no backend: it serves or changes something stored, or serves something that never changes. */
export interface ResourceProtocol extends Endpoint {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** @returns an object to send as JSON, or text. @throws {GatewayError} 404 for an unknown resource */
  answer(request: ResourceRequest): object | string | Promise<object | string>;
}

/** The messages of a body, and the fields in them that have no effect. */
export interface History {
  readonly messages: readonly Message[];
  readonly dropped: readonly string[];
}

/** A path of a backend's own API that is passed through, in both directions. */
export interface PassThroughRoute {
  /** GET includes HEAD. */
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A Hono path. */
  readonly path: string;
  /** The scope that a key needs. */
  readonly scope: 'inference' | 'admin';
  /** The path below that of the upstream's address. Absent: `path`. */
  readonly upstreamPath?: string;
  /** Lists the models in a request body; the first is the one that runs. Absent for routes that do not take a model. */
  readonly modelsIn?: (body: unknown) => string[];
  /** True when a body needs something that only llamaduct can do. Absent: none does. */
  readonly needsGateway?: (body: unknown) => boolean;
  /** True when a body asks for a web search, which servers cannot run. Absent: none does. */
  readonly asksForSearch?: (body: unknown) => boolean;
  /** True when servers cannot use the history in a body as it is, so that it is translated. Absent: they can. */
  readonly hasOddHistory?: (body: unknown) => boolean;
  /** Mends the history in a body. @returns undefined for a body that can stay. Absent: every body can */
  readonly mendHistory?: (body: JsonObject) => JsonObject | undefined;
  /**
   * Reads the tools of a body, to mend the calls in its answer. The request has no messages. @returns undefined for a body without
   * any, or whose tools cannot be read. Absent: calls are passed on as they are
   */
  readonly readTools?: (body: JsonObject) => ChatRequest | undefined;
  /** Reads the messages of a body, to send them in another form to a server that refuses them. Absent: there is no other. */
  readonly readHistory?: (body: JsonObject) => History;
  /**
   * Reads the limit on generated tokens from a body; undefined when there is none. Absent for routes that do not run a
   * model.
   */
  readonly outputTokens?: (body: unknown) => number | undefined;
  /**
   * Reads the most tokens that a model may have generated before any of the answer shows it; undefined for a streamed answer,
   * which shows each token. Absent for routes whose answers have no tokens.
   */
  readonly unseenTokens?: (body: unknown) => number | undefined;
  /** Reads what constrains the answer: a JSON Schema, or JSON of any form. Absent for routes whose answers nothing can. */
  readonly constraint?: (body: unknown) => Constraint | undefined;
  /** Formats the end of a stream that is ended before the model ends it, as one that reached its length. */
  readonly endAtLength?: (model: string, lastRecords: string) => string;
  /**
   * Removes the model's thinking from a whole answer, or from one line of a streamed answer.
   *
   * @returns '' for a line that contains nothing else
   * @throws {GatewayError} 502 for a text that is not JSON
   */
  readonly withoutThinking?: (json: string) => string;
  /**
   * Creates a filter that moves a `<think>` block at the beginning of the content to the thinking, line by line. Absent for routes
   * without thinking.
   */
  readonly thinkTagFilter?: () => (json: string) => string;
  /** Present when an answer may be a stream of SSE. */
  readonly sse?: {
    /** True when a body asks for such a stream. */
    readonly isRequested: (body: unknown) => boolean;
    /** Formats an error within the stream. */
    readonly failure: (error: GatewayError) => string;
  };
  /** Formats an error within a stream of JSON lines. Absent when no answer is one. */
  readonly lineFailure?: (error: GatewayError) => string;
  /** True when the answer has a list of `models`, each with its `name`. */
  readonly listsModels?: boolean;
}

/**
 * Stores texts for a limited time, each by its id and its owner. The store is bounded, so the oldest text of a quota may be
 * removed before that; the texts of one quota do not push out those of a quota that stores less.
 */
export interface TextStore {
  get(owner: string, id: string): Promise<string | undefined>;
  /** @param id without a colon @param quota the quota that the text counts against. Absent: the owner's */
  put(owner: string, id: string, text: string, quota?: string): Promise<void>;
  /** @returns true when there was a text to delete */
  delete(owner: string, id: string): Promise<boolean>;
  /**
   * Adds to the end of a text, and stores it for another full lifetime. Of several instances that append at the same time, none
   * overwrites what another added.
   *
   * @param quota as for `put`
   * @returns absent, without a change, when there is no such text; full, when the text would be larger than all texts may be
   */
  append(owner: string, id: string, text: string, quota?: string): Promise<'appended' | 'absent' | 'full'>;
}
