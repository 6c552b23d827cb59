import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Emit } from '../../chat/event.ts';
import { GatewayError } from '../../errors.ts';
import { textIn } from '../../framing/json.ts';
import { JsonScanner } from '../../framing/json-scanner.ts';
import { uniqueCallId } from '../call-ids.ts';
import { argumentsText } from '../coerce.ts';

type WireToolCall = ChatCompletionChunk.Choice.Delta.ToolCall;

/** A part of a tool call. Any field may be missing, and some servers send the arguments as an object. */
export type WireFragment = Partial<Pick<WireToolCall, 'index' | 'id'>> & {
  function?: { name?: string; arguments?: unknown };
};

interface ToolCall {
  id: string;
  name: string;
  arguments: string;
  readonly scanner: JsonScanner;
}

/** Characters that a call counts besides its texts. */
const callSize = 100;

/**
 * Assembles fragments into complete tool calls. Servers do more than OpenAI documents: they leave out the index or the id,
 * give all calls the same index, repeat the name, give each fragment another id, send the arguments in one fragment or not
 * at all. Calls may be interleaved; they are emitted in the order in which they began.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/streaming (tool_calls)
 */
export class ToolCallAssembler {
  readonly #emit: Emit;
  readonly #maxLength: number;
  readonly #ids = new Set<string>();
  readonly #byIndex = new Map<number, ToolCall>();
  /** Calls that are not emitted yet, in the order in which they began. */
  readonly #pending: ToolCall[] = [];
  #last: ToolCall | undefined;
  #length = 0;

  /** @param maxLength characters of all calls of a response */
  constructor(emit: Emit, maxLength: number) {
    this.#emit = emit;
    this.#maxLength = maxLength;
  }

  /** True when a call was emitted. */
  get called(): boolean {
    return this.#ids.size > 0;
  }

  /** @throws {GatewayError} when the calls exceed `maxLength`, or as `end` for a call that is complete */
  add(wireFragment: WireFragment): void {
    const fragment = toFragment(wireFragment);
    this.#count(fragment.id.length + fragment.name.length + fragment.arguments.length);
    const current = fragment.index === undefined ? this.#last : this.#byIndex.get(fragment.index);
    const call = current !== undefined && continues(current, fragment) ? current : this.#begin(fragment.index);
    this.#last = call;
    call.id ||= fragment.id;
    call.name ||= fragment.name;
    call.arguments += fragment.arguments;
    for (let at = 0; at < fragment.arguments.length; at += 1) call.scanner.next(fragment.arguments.charCodeAt(at));
  }

  /**
   * Emits the calls that remain: no more fragments follow.
   *
   * @param cut true when the response was cut at its length; calls that are not complete are then left out
   * @throws {GatewayError} for a call without a name
   */
  end(cut: boolean): void {
    for (const call of this.#pending.splice(0)) if (!cut || call.scanner.complete) this.#emitCall(call);
  }

  #begin(index: number | undefined): ToolCall {
    this.#count(callSize);
    // Calls may be interleaved, so only those that are complete can be emitted.
    let completed = 0;
    while (this.#pending[completed]?.scanner.complete === true) completed += 1;
    for (const call of this.#pending.splice(0, completed)) this.#emitCall(call);
    const call: ToolCall = { id: '', name: '', arguments: '', scanner: new JsonScanner() };
    if (index !== undefined) this.#byIndex.set(index, call);
    this.#pending.push(call);
    return call;
  }

  #emitCall({ id, name, arguments: args }: ToolCall): void {
    if (name === '') throw new GatewayError('upstream_protocol_error', 'The upstream sent a tool call without a name.');
    this.#emit({ type: 'tool-call', id: uniqueCallId(id, this.#ids), name, arguments: argumentsText(args) });
  }

  #count(length: number): void {
    this.#length += length;
    if (this.#length <= this.#maxLength) return;
    throw new GatewayError('upstream_protocol_error', 'The tool calls of the upstream are too long.');
  }
}

/** A fragment whose missing fields are ''. */
interface Fragment {
  readonly index: number | undefined;
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

function toFragment({ index, id, function: called }: WireFragment): Fragment {
  const args = called?.arguments ?? '';
  return {
    index: typeof index === 'number' ? index : undefined,
    id: textIn(id),
    name: textIn(called?.name),
    arguments: typeof args === 'string' ? args : JSON.stringify(args),
  };
}

/** True when a fragment belongs to `call`, false when it begins another call with the same index, or with none. */
function continues(call: ToolCall, { index, id, name, arguments: args }: Fragment): boolean {
  if (id !== '' && id === call.id) return true;
  if (index === undefined && id !== '' && call.id !== '') return false;
  if (name === '' || call.name === '') return true;
  return name === call.name && (!call.scanner.complete || args === '');
}
