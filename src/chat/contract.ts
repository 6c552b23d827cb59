import type { GatewayError } from '../errors.ts';
import type { ChatEvent, FinishEvent } from './event.ts';
import type { ChatResult } from './fold.ts';
import type { ChatRequest } from './request.ts';

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

/** Events -> the text of a client's stream. Each method returns what to send, '' for nothing. Synchronous, no I/O. */
export interface Encoder {
  write(event: ChatEvent): string;
  /** After the last event of a whole answer. */
  end(): string;
  /** Instead of `end`, when the answer broke: the client must not take it for a whole one. */
  fail(error: GatewayError): string;
}

/** Reads along an answer of a backend that is relayed untouched. */
export interface Tap {
  push(bytes: Uint8Array): void;
  /** What the backend counted, where it told, and whether the answer ended in an error. */
  end(): { readonly finish?: Pick<FinishEvent, 'usage' | 'timings'>; readonly failed: boolean };
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
export interface ChatCall {
  readonly request: ChatRequest;
  readonly stream: boolean;
  encoder(head: AnswerHead): Encoder;
  respond(result: ChatResult, head: AnswerHead): object;
}

/** An error in a client's own shape. */
export type ErrorBody = (error: GatewayError) => object;

/** An endpoint that takes a chat in one client dialect. */
export interface ChatProtocol {
  readonly path: string;
  /** What the ids of its answers begin with. */
  readonly idPrefix: string;
  readonly contentType: string;
  readonly errorBody: ErrorBody;
  /** @throws {GatewayError} 400 with `param` for a body it cannot read. */
  read(body: unknown): ChatCall;
}

/** A model as a backend lists it. */
export interface ModelInfo {
  readonly name: string;
  /** Unix seconds. */
  readonly modified: number;
}

/** A model list in a client's dialect. */
export interface ModelsProtocol {
  readonly path: string;
  readonly errorBody: ErrorBody;
  list(models: readonly ModelInfo[]): object;
  one(model: ModelInfo): object;
}

/** What one kind of backend speaks. */
export interface ChatBackend {
  readonly chatPath: string;
  /** The backend's own request body, always asking for a stream. */
  chatBody(request: ChatRequest): object;
  decoder(emit: (event: ChatEvent) => void, maxLineBytes: number): Decoder;
  /** What a status other than 2xx and its body (cut to some KiB) mean. */
  error(status: number, body: string): GatewayError;
  tap(): Tap;
  readonly modelsPath: string;
  /** @throws {GatewayError} `upstream_protocol_error` for a body of another shape. */
  models(body: unknown): ModelInfo[];
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
