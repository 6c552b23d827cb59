import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Emit } from '../../chat/event.ts';
import { GatewayError } from '../../errors.ts';
import { CallIds } from '../call-ids.ts';
import { argumentsText } from '../coerce.ts';
import { JsonEnd } from './json-end.ts';

type Wire = ChatCompletionChunk.Choice.Delta.ToolCall;

/** A piece of a call. Any field may be missing, and some servers send the arguments as an object. */
export type CallFragment = Partial<Pick<Wire, 'index' | 'id'>> & { function?: { name?: string; arguments?: unknown } };

interface Call {
  id: string;
  name: string;
  arguments: string;
  readonly end: JsonEnd;
}

/** What a call takes besides its texts, in characters. */
const callSize = 100;

/**
 * Gathers the fragments of calls into whole ones. What servers do beyond the documentation: they leave out the index
 * or the id, give all calls the same index, repeat the name, give each fragment another id, give the arguments in one
 * piece or none. Calls may be interleaved; they are emitted in the order in which they began.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/streaming (tool_calls)
 */
export class ToolCallAssembler {
  readonly #emit: Emit;
  readonly #maxLength: number;
  readonly #ids = new CallIds();
  readonly #byIndex = new Map<number, Call>();
  readonly #waiting: Call[] = [];
  #last: Call | undefined;
  #length = 0;

  /** @param maxLength characters of all calls of an answer */
  constructor(emit: Emit, maxLength: number) {
    this.#emit = emit;
    this.#maxLength = maxLength;
  }

  /** Whether any call was emitted. */
  get called(): boolean {
    return this.#ids.size > 0;
  }

  add(fragment: CallFragment): void {
    const piece = toPiece(fragment);
    this.#charge(piece.id.length + piece.name.length + piece.args.length);
    const known = piece.index === undefined ? this.#last : this.#byIndex.get(piece.index);
    const call = known !== undefined && continues(known, piece) ? known : this.#begin(piece.index);
    this.#last = call;
    call.id ||= piece.id;
    call.name ||= piece.name;
    call.arguments += piece.args;
    call.end.push(piece.args);
  }

  /**
   * No fragments will come any more.
   *
   * @param cut whether the answer was cut at its length: a call that is not whole is left out then
   * @throws {GatewayError} for a call without a name, or with arguments that are not an object
   */
  end(cut: boolean): void {
    for (const call of this.#waiting.splice(0)) if (!cut || call.end.reached) this.#release(call);
  }

  #begin(index: number | undefined): Call {
    this.#charge(callSize);
    // A call may also be interleaved with the next: those that are whole cannot.
    let whole = 0;
    while (this.#waiting[whole]?.end.reached === true) whole += 1;
    for (const done of this.#waiting.splice(0, whole)) this.#release(done);
    const call: Call = { id: '', name: '', arguments: '', end: new JsonEnd() };
    if (index !== undefined) this.#byIndex.set(index, call);
    this.#waiting.push(call);
    return call;
  }

  #release({ id, name, arguments: args }: Call): void {
    if (name === '') throw new GatewayError('upstream_protocol_error', 'The upstream sent a tool call without a name.');
    this.#emit({ type: 'tool-call', id: this.#ids.unique(id), name, arguments: argumentsText(args) });
  }

  #charge(length: number): void {
    this.#length += length;
    if (this.#length <= this.#maxLength) return;
    throw new GatewayError('upstream_protocol_error', 'The upstream sent tool calls without end.');
  }
}

interface Piece {
  readonly index: number | undefined;
  readonly id: string;
  readonly name: string;
  readonly args: string;
}

function toPiece({ index, id, function: called }: CallFragment): Piece {
  const args = called?.arguments ?? '';
  return {
    index: typeof index === 'number' ? index : undefined,
    id: text(id),
    name: text(called?.name),
    args: typeof args === 'string' ? args : JSON.stringify(args),
  };
}

/** Whether a fragment belongs to a call, not to another with the same index, or with none. */
function continues(call: Call, { index, id, name, args }: Piece): boolean {
  if (id !== '' && id === call.id) return true;
  if (index === undefined && id !== '' && call.id !== '') return false;
  if (name === '' || call.name === '') return true;
  return name === call.name && (!call.end.reached || args === '');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
