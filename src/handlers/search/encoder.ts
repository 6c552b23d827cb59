import type { ChatEvent, FinishEvent, ToolCallEvent } from '../../chat/event.ts';
import { type Search, type SearchTurn, citationsIn, turnBreak } from '../../chat/search.ts';
import type { Encoder, TotalUsage } from '../../chat/stream.ts';
import { sumUsage } from '../../chat/sum-usage.ts';
import type { GatewayError } from '../../errors.ts';
import { type SearchCall, type SearchSession, maxCalls } from './session.ts';

/**
 * Encodes the turns of an answer that searches as one answer: the model's calls of the search become searches, and the end of
 * a turn that calls it is held back.
 */
export class SearchEncoder implements Encoder {
  readonly #inner: Encoder;
  readonly #session: SearchSession;
  readonly #totals: TotalUsage[] = [];
  /** Characters of the texts of earlier turns, and of the breaks between them. */
  #before = 0;
  #text = '';
  #reasoning = '';
  #calls: SearchCall[] = [];
  /** Calls of the client's tools after a search: they follow its results. */
  #held: ToolCallEvent[] = [];
  #hasOthers = false;
  #finish: FinishEvent | undefined;
  #total: TotalUsage | undefined;

  constructor(inner: Encoder, session: SearchSession) {
    this.#inner = inner;
    this.#session = session;
  }

  get breaksConnection(): boolean {
    return this.#inner.breaksConnection === true;
  }

  /** The searches that the turn ended in. Empty: it was the last one. */
  get calls(): readonly SearchCall[] {
    return this.#calls;
  }

  /** True if the turn also calls tools of the client, so that the answer ends after its searches. */
  get callsOthers(): boolean {
    return this.#hasOthers;
  }

  /** Forgets a turn that failed before any of it was sent. */
  restart(): void {
    this.#text = '';
    this.#reasoning = '';
    this.#calls = [];
    this.#held = [];
    this.#hasOthers = false;
    this.#finish = undefined;
    this.#total = undefined;
  }

  write(event: ChatEvent, choice: number): string {
    switch (event.type) {
      case 'text': {
        const isFirst = this.#text === '' && event.text !== '' && this.#before > 0 && this.#inner.joinsTurns === true;
        this.#text += event.text;
        if (!isFirst) return this.#inner.write(event, choice);
        this.#before += turnBreak.length;
        return this.#inner.write({ type: 'text', text: turnBreak }, choice) + this.#inner.write(event, choice);
      }
      case 'reasoning':
        this.#reasoning += event.text;
        return this.#inner.write(event, choice);
      case 'tool-call':
        return this.#toolCall(event, choice);
      case 'finish':
        return this.#end(event, choice);
      default:
        return event satisfies never;
    }
  }

  end(total: TotalUsage): string {
    this.#total = total;
    return this.#calls.length > 0 ? '' : this.#inner.end(this.#sum());
  }

  fail(error: GatewayError): string {
    return this.#inner.fail(error);
  }

  failApart(error: GatewayError): string {
    return this.#inner.failApart?.(error) ?? '';
  }

  keepAlive(): string {
    return this.#inner.keepAlive?.() ?? '';
  }

  /** Writes the results of the turn's searches, and prepares for the next turn unless the answer ends. @returns text and turn */
  results(searches: readonly Search[]): { readonly text: string; readonly turn: SearchTurn } {
    let text = '';
    for (const search of searches) text += this.#inner.search?.({ type: 'ended', search }) ?? '';
    const turn = { text: this.#text, reasoning: this.#reasoning, searches };
    if (!this.#hasOthers) {
      this.#before += this.#text.length;
      if (this.#total !== undefined) this.#totals.push(this.#total);
      this.restart();
    }
    return { text, turn };
  }

  /** Writes the held calls of the client's tools, and the end of the answer. */
  endHeld(): string {
    let text = '';
    for (const call of this.#held) text += this.#inner.write(call, 0);
    if (this.#finish !== undefined) text += this.#inner.write({ ...this.#finish, reason: 'tool_calls' }, 0);
    return text + this.#inner.end(this.#sum());
  }

  #toolCall(event: ToolCallEvent, choice: number): string {
    if (this.#session.isSearch(event)) {
      // It was not offered any more: there is nobody who could run it.
      if (!this.#session.isOffered || this.#calls.length === maxCalls) return '';
      const call = this.#session.read(event);
      this.#calls.push(call);
      return this.#inner.search?.({ type: 'begun', id: call.id, query: call.query }) ?? '';
    }
    this.#hasOthers = true;
    if (this.#calls.length === 0) return this.#inner.write(event, choice);
    this.#held.push(event);
    return '';
  }

  #end(event: FinishEvent, choice: number): string {
    if (this.#calls.length > 0) {
      this.#finish = event;
      return '';
    }
    const isLost = event.reason === 'tool_calls' && !this.#hasOthers;
    return this.#cite() + this.#inner.write(isLost ? { ...event, reason: 'stop' } : event, choice);
  }

  #cite(): string {
    const citations = citationsIn(this.#text, this.#session.results);
    if (citations.length === 0) return '';
    const offset = this.#inner.joinsTurns === true ? this.#before : 0;
    const moved = citations.map((one) => ({ ...one, start: one.start + offset, end: one.end + offset }));
    return this.#inner.search?.({ type: 'cited', citations: moved }) ?? '';
  }

  #sum(): TotalUsage {
    return sumUsage(this.#total === undefined ? this.#totals : [...this.#totals, this.#total]);
  }
}
