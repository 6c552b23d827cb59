import type { ChatEvent, Emit, FinishEvent, FinishReason, ToolCallEvent } from '../chat/event.ts';
import { GatewayError } from '../errors.ts';
import { special } from '../calls/text/surroundings.ts';
import { isObject, parseExact, textIn } from '../framing/json.ts';
import type { AnswerFilter } from './answer-filter.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Adds the stage that mends the calls of an answer. */
export type Mending = (emit: Emit) => Emit;

/** A chunk of a chat completion with its only choice. */
interface Chunk {
  readonly fields: Fields;
  readonly choice: Fields;
  readonly delta: Fields;
  readonly text: string;
}

/** An event that is held back. */
interface Held {
  /** As it came. */
  readonly event: string;
  readonly text: string;
  /** Undefined for an event that has no choice. */
  readonly chunk: Chunk | undefined;
}

/**
 * Mends the tool calls of a stream of chat completion chunks that is passed through. Events stay byte for byte the same until
 * something has to be changed. Native calls are held back until they are complete, text only while it may be a call.
 */
export class PassedCalls {
  readonly #stage: Emit;
  #emitted: ChatEvent[] = [];
  #held: Held[] = [];
  /** The text at the beginning of the held events that is certainly text. */
  #ready = '';
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
    this.#held.push({ event, text, chunk });
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
    this.#held.push({ event, text: '', chunk: undefined });
    return '';
  }

  /** Passes on everything, if calls are in a form that is not known. */
  #giveUp(event: string): string {
    this.#isOver = true;
    return this.#release() + event;
  }

  #release(): string {
    const events = this.#held.map(({ event }) => event).join('');
    this.#forget();
    return events;
  }

  #forget(): void {
    this.#held = [];
    this.#ready = '';
  }

  #take(): ChatEvent[] {
    const emitted = this.#emitted;
    this.#emitted = [];
    return emitted;
  }

  #settle(chunk: Chunk, emitted: readonly ChatEvent[]): string {
    if (!this.#isChanged) {
      const texts = emitted.map((event) => (event.type === 'text' ? event.text : undefined));
      if (!texts.includes(undefined)) return this.#releaseReady(texts.join(''));
      this.#isChanged = true;
    }
    // Without text, there may be other fields, such as the role.
    const isBare = emitted.length === 0 && chunk.text === '' && this.#ready === '';
    if (isBare) return this.#release();
    if (emitted.length === 0) return '';
    const written = this.#write(this.#first ?? chunk, this.#withReady(emitted));
    this.#forget();
    return written;
  }

  /** Passes on the events of which all text is certain. */
  #releaseReady(text: string): string {
    this.#ready += text;
    let length = 0;
    let count = 0;
    for (const held of this.#held) {
      if (length + held.text.length > this.#ready.length) break;
      length += held.text.length;
      count += 1;
    }
    this.#ready = this.#ready.slice(length);
    return this.#held
      .splice(0, count)
      .map(({ event }) => event)
      .join('');
  }

  get #first(): Chunk | undefined {
    return this.#held.find((held) => held.chunk !== undefined)?.chunk;
  }

  #withReady(emitted: readonly ChatEvent[]): readonly ChatEvent[] {
    return this.#ready === '' ? emitted : [{ type: 'text', text: this.#ready }, ...emitted];
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
    const emitted = this.#withReady(this.#take().filter(({ type }) => type !== 'finish'));
    const texts = emitted.filter(({ type }) => type === 'text');
    const made = emitted.filter(({ type }) => type === 'tool-call');
    const isSame =
      isText(texts, this.#held.map(({ text }) => text).join('')) && JSON.stringify(made) === JSON.stringify(calls);
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
const plainContent = new RegExp(String.raw`"content":\s*"[^"\\<[${special}]*"`);
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

export function reasonOf(given: string, called: boolean): FinishReason {
  return given === 'length' ? 'length' : called ? 'tool_calls' : 'stop';
}

export function finishOf(reason: FinishReason): FinishEvent {
  return { type: 'finish', reason, usage: { inputTokens: 0, outputTokens: 0 }, timings: {} };
}

/** Writes an event with all fields of a chunk but those of its delta. */
function written({ fields, choice, delta }: Chunk, change: Fields, finish: string | null): string {
  const { content: _, tool_calls: __, ...rest } = delta;
  // The probabilities are those of another text.
  const logprobs = choice['logprobs'] == null || change['content'] === delta['content'] ? {} : { logprobs: null };
  const changed = { ...choice, ...logprobs, delta: { ...rest, ...change }, finish_reason: finish };
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

export function parsed(json: string): unknown {
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
