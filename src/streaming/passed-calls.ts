import type { ChatEvent, Emit, FinishEvent, FinishReason, ToolCallEvent } from '../chat/event.ts';
import { GatewayError } from '../errors.ts';
import { isObject, parseExact, textIn } from '../framing/json.ts';
import type { AnswerFilter } from './answer-filter.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Adds the stage that mends the calls of an answer. */
type Mending = (emit: Emit) => Emit;

/** A chunk of a chat completion with its only choice. */
interface Chunk {
  readonly fields: Fields;
  readonly choice: Fields;
  readonly delta: Fields;
  readonly text: string;
}

/**
 * Mends the tool calls of a stream of chat completion chunks that is passed through. Events stay byte for byte the same until
 * something has to be changed. Native calls are held back until they are complete, text only while it may be a call.
 */
export class PassedCalls {
  readonly #stage: Emit;
  #emitted: ChatEvent[] = [];
  /** Events that are held back, as they came. */
  #held: string[] = [];
  /** The text of the held events. */
  #heldText = '';
  /** The first chunk of the held events. */
  #first: Chunk | undefined;
  /** Native calls, by their index. */
  readonly #calls = new Map<number, { id: string; name: string; arguments: string }>();
  /** True once a part of an event was sent: from then on events are written anew. */
  #isChanged = false;
  #added = 0;
  #isOver = false;

  constructor(mending: Mending) {
    const emit: Emit = (event) => this.#emitted.push(event);
    this.#stage = mending(Object.assign(emit, { verbatim: { frame: () => noFrame, take: () => undefined } }));
  }

  /** True if a text without marks needs no look: nothing is held back. */
  get #isIdle(): boolean {
    return this.#held.length === 0 && this.#stage.verbatim?.frame() !== undefined;
  }

  /** @param event with its empty line @returns what to send instead, possibly nothing */
  read(event: string): string {
    if (this.#isOver) return this.#pass(event);
    if (this.#isIdle && isPlain(event)) {
      // So that the stage knows that there was a text.
      this.#stage.verbatim?.take('');
      return this.#pass(event);
    }
    const chunk = chunkOf(event);
    if (chunk === undefined) return this.#pass(event);
    const { delta, choice, text } = chunk;
    if (delta['tool_calls'] != null && !this.#addCalls(delta['tool_calls'])) return this.#giveUp(event);
    if (text !== '') this.#stage({ type: 'text', text });
    this.#first ??= chunk;
    this.#held.push(event);
    this.#heldText += text;
    if (typeof choice['finish_reason'] === 'string') return this.#finish(chunk, choice['finish_reason']);
    // Fragments of calls stay behind until the calls are complete.
    if (this.#calls.size > 0) return '';
    return this.#settle(chunk, this.#take());
  }

  /** @returns the events of a stream that breaks off which were held back */
  end(): string {
    return this.#release();
  }

  #pass(event: string): string {
    if (this.#held.length === 0) return event;
    this.#held.push(event);
    return '';
  }

  /** Passes on everything, if calls are in a form that is not known. */
  #giveUp(event: string): string {
    this.#isOver = true;
    return this.#release() + event;
  }

  #release(): string {
    const events = this.#held.join('');
    this.#forget();
    return events;
  }

  #forget(): void {
    this.#held = [];
    this.#heldText = '';
    this.#first = undefined;
  }

  #take(): ChatEvent[] {
    const emitted = this.#emitted;
    this.#emitted = [];
    return emitted;
  }

  #settle(chunk: Chunk, emitted: readonly ChatEvent[]): string {
    if (!this.#isChanged) {
      if (isText(emitted, this.#heldText)) return this.#release();
      if (emitted.length === 0) return '';
      this.#isChanged = true;
    }
    // Without text, there may be other fields, such as the role.
    const isBare = emitted.length === 0 && chunk.text === '';
    const written = isBare ? this.#release() : this.#write(this.#first ?? chunk, emitted);
    if (emitted.length > 0) this.#forget();
    else if (this.#first !== undefined) this.#held = [];
    return written;
  }

  #write(template: Chunk, emitted: readonly ChatEvent[]): string {
    return emitted.map((event) => this.#writeEvent(template, event)).join('');
  }

  #writeEvent(template: Chunk, event: ChatEvent): string {
    if (event.type === 'text') return written(template, { content: event.text }, null);
    if (event.type !== 'tool-call') return '';
    const { id, name, arguments: args } = event;
    const call = { index: this.#added, id, type: 'function', function: { name, arguments: args } };
    this.#added += 1;
    return written(template, { content: null, tool_calls: [call] }, null);
  }

  /** @returns false for fragments whose calls are not certain */
  #addCalls(fragments: unknown): boolean {
    if (!Array.isArray(fragments)) return false;
    for (const fragment of fragments) {
      const called = isObject(fragment) ? fragment['function'] : undefined;
      if (!isObject(fragment) || !isObject(called)) return false;
      const { index, id } = fragment;
      const args = called['arguments'] ?? '';
      if (typeof index !== 'number' || typeof args !== 'string') return false;
      const call = this.#calls.get(index) ?? { id: '', name: '', arguments: '' };
      call.id ||= textIn(id);
      call.name ||= textIn(called['name']);
      call.arguments += args;
      this.#calls.set(index, call);
    }
    return true;
  }

  #finish(chunk: Chunk, given: string): string {
    this.#isOver = true;
    const calls = [...this.#calls.values()].map((call): ToolCallEvent => ({ type: 'tool-call', ...call }));
    for (const call of calls) this.#stage(call);
    this.#stage(finishOf(reasonOf(given, calls.length > 0)));
    const emitted = this.#take().filter(({ type }) => type !== 'finish');
    const texts = emitted.filter(({ type }) => type === 'text');
    const made = emitted.filter(({ type }) => type === 'tool-call');
    const isSame = isText(texts, this.#heldText) && JSON.stringify(made) === JSON.stringify(calls);
    if (isSame && !this.#isChanged && this.#added === 0) return this.#release();
    const template = this.#first ?? chunk;
    this.#forget();
    const events = this.#write(template, emitted);
    const reason = this.#added > 0 && given === 'stop' ? 'tool_calls' : given;
    return events + written(chunk, {}, reason);
  }
}

const noFrame = { before: '', after: '' };

/** A text without marks and escapes. */
const plainContent = /"content":\s*"[^"\\<[`~'“”„‘’«(=|]*"/;
const isNoToken = /"tool_calls"|"finish_reason":\s*"/;

/** True for an event that has only text, in which no call begins. */
function isPlain(event: string): boolean {
  return plainContent.test(event) && !isNoToken.test(event);
}

/** True if the events are texts that make up `text`. */
function isText(events: readonly ChatEvent[], text: string): boolean {
  let joined = '';
  for (const event of events) {
    if (event.type !== 'text') return false;
    joined += event.text;
  }
  return joined === text;
}

function reasonOf(given: string, called: boolean): FinishReason {
  return given === 'length' ? 'length' : called ? 'tool_calls' : 'stop';
}

function finishOf(reason: FinishReason): FinishEvent {
  return { type: 'finish', reason, usage: { inputTokens: 0, outputTokens: 0 }, timings: {} };
}

/** Writes an event with all fields of a chunk but those of its delta. */
function written({ fields, choice, delta }: Chunk, change: Fields, finish: string | null): string {
  const { content: _, tool_calls: __, ...rest } = delta;
  const changed = { ...choice, delta: { ...rest, ...change }, finish_reason: finish };
  return `data: ${JSON.stringify({ ...fields, choices: [changed] })}\n\n`;
}

/** @returns the chunk in an event; undefined for any other event, and for one with several choices */
function chunkOf(event: string): Chunk | undefined {
  const data = /^data: ?(.*)$/m.exec(event)?.[1];
  const fields = data === undefined ? undefined : parsed(data);
  const choices = isObject(fields) ? fields['choices'] : undefined;
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  if (!isObject(fields) || !isObject(choice)) return undefined;
  const delta = isObject(choice['delta']) ? choice['delta'] : {};
  return { fields, choice, delta, text: textIn(delta['content']) };
}

function parsed(json: string): unknown {
  try {
    return parseExact(json);
  } catch {
    return undefined;
  }
}

const eventEnd = /\r\n\r\n|\n\n|\r\r/g;

/** Filters the events of an SSE stream. @param maxBytes the limit for one event, in characters */
export function filterEvents(calls: PassedCalls, maxBytes: number): AnswerFilter {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  const read = (text: string): string => {
    // An end may be divided.
    eventEnd.lastIndex = Math.max(0, rest.length - 3);
    rest += text;
    let out = '';
    let start = 0;
    for (let end = eventEnd.exec(rest); end !== null; end = eventEnd.exec(rest)) {
      out += calls.read(rest.slice(start, eventEnd.lastIndex));
      start = eventEnd.lastIndex;
    }
    rest = rest.slice(start);
    if (rest.length <= maxBytes) return out;
    throw new GatewayError('upstream_protocol_error', 'The upstream sent an event that is too long.');
  };
  return {
    push: (bytes) => read(decoder.decode(bytes, { stream: true })),
    end: () => read(decoder.decode()) + calls.end() + rest,
  };
}

/**
 * Mends the tool calls of a whole chat completion.
 *
 * @returns the same text if there is nothing to mend
 */
export function mendedWhole(json: string, mending: Mending): string {
  const body = parsed(json);
  const choices = isObject(body) ? body['choices'] : undefined;
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  const message = isObject(choice) ? choice['message'] : undefined;
  if (!isObject(body) || !isObject(choice) || !isObject(message)) return json;
  const calls = callsIn(message['tool_calls']);
  if (calls === undefined) return json;
  const emitted: ChatEvent[] = [];
  const stage = mending((event) => emitted.push(event));
  const content = textIn(message['content']);
  if (content !== '') stage({ type: 'text', text: content });
  for (const call of calls) stage(call);
  const given = textIn(choice['finish_reason']);
  stage(finishOf(reasonOf(given, calls.length > 0)));
  const texts = emitted.flatMap((event) => (event.type === 'text' ? [event.text] : [])).join('');
  const made = emitted.filter((event) => event.type === 'tool-call');
  if (texts === content && JSON.stringify(made) === JSON.stringify(calls)) return json;
  const toolCalls = made.map(({ id, name, arguments: args }) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  }));
  const changed = {
    ...choice,
    message: { ...message, content: texts === '' ? null : texts, tool_calls: toolCalls },
    finish_reason: given === 'stop' ? 'tool_calls' : given,
  };
  return JSON.stringify({ ...body, choices: [changed] });
}

/** @returns undefined for calls that are not functions with texts as arguments */
function callsIn(value: unknown): ToolCallEvent[] | undefined {
  if (value == null) return [];
  if (!Array.isArray(value)) return undefined;
  const calls: ToolCallEvent[] = [];
  for (const call of value) {
    const called = isObject(call) ? call['function'] : undefined;
    if (!isObject(call) || !isObject(called) || typeof called['arguments'] !== 'string') return undefined;
    const { name, arguments: args } = called;
    calls.push({ type: 'tool-call', id: textIn(call['id']), name: textIn(name), arguments: args });
  }
  return calls;
}
