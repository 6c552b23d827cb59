import type { ToolCallEvent } from '../../chat/event.ts';
import type { AssistantMessage, ChatRequest, ToolMessage } from '../../chat/request.ts';
import { oneLine } from '../../framing/one-line.ts';
import { type Search, type SearchResult, type SearchTurn, searchText } from '../../chat/search.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { isObject } from '../../framing/json.ts';
import type { Searcher } from '../../search/searcher.ts';
import type { PreparedCall } from '../steps/apply-rules.ts';
import { demandOf } from '../steps/send.ts';
import type { OfferedSearch } from './hosted-tools.ts';

/** A call of the search by the model. */
export interface SearchCall {
  readonly id: string;
  /** '' for a call without a text. One that is too long to be searched for is cut, and still too long. */
  readonly query: string;
  readonly call: ToolCallEvent;
}

/** Calls of one answer that are looked at; a model that writes more only repeats itself. */
export const maxCalls = 32;

/** The searches of one exchange, and the requests that follow them. */
export class SearchSession {
  readonly #searcher: Searcher;
  readonly #offered: OfferedSearch;
  readonly #exchange: Exchange;
  #uses = 0;
  #rounds = 0;
  /** True once a search was not run because of the limit. */
  #isExhausted = false;
  #results: SearchResult[] = [];

  constructor(searcher: Searcher, offered: OfferedSearch, exchange: Exchange) {
    this.#searcher = searcher;
    this.#offered = offered;
    this.#exchange = exchange;
  }

  /** The results so far. */
  get results(): readonly SearchResult[] {
    return this.#results;
  }

  /** True for a call of the search. Once it is not offered any more, no call is one. */
  isSearch({ name }: ToolCallEvent): boolean {
    return name === this.#offered.name;
  }

  /** True while the model is offered the search. */
  get isOffered(): boolean {
    return !this.#isExhausted && this.#rounds <= this.#offered.uses;
  }

  read(call: ToolCallEvent): SearchCall {
    return { id: call.id, query: queryOf(call.arguments) ?? '', call };
  }

  /** Runs the searches of one answer at the same time. @throws the reason for which the exchange was cancelled */
  async run(calls: readonly SearchCall[]): Promise<Search[]> {
    const exchange = this.#exchange;
    this.#rounds += 1;
    const searches = await Promise.all(
      calls.slice(0, maxCalls).map(async ({ id, query }) => {
        const mayRun = this.#uses < this.#offered.uses;
        if (mayRun) this.#uses += 1;
        else this.#isExhausted = true;
        exchange.searches = (exchange.searches ?? 0) + 1;
        const outcome = await this.#searcher.search(query === '' ? undefined : query, this.#offered.tool, {
          mayRun,
          owner: exchange.admitted?.owner,
          signal: exchange.abortSignal,
        });
        return { id, query, outcome };
      }),
    );
    for (const { outcome } of searches) if ('results' in outcome) this.#results.push(...outcome.results);
    return searches;
  }

  /**
   * @param call the call that the model answered with searches
   * @returns the call that goes on with their results. When the searches are used up, it offers none
   */
  next(call: PreparedCall, turn: SearchTurn): PreparedCall {
    const [request] = call.requests;
    if (request.kind !== 'chat') return call;
    const [answer, ...results] = messagesOf(turn, this.#offered.name);
    for (const { text } of [answer, ...results]) this.#exchange.admitted?.hold(text.length);
    const last = request.messages.at(-1);
    // The model went on with a beginning of its answer that the client wrote.
    const isBegun = last?.role === 'assistant' && last.toolCalls.length === 0;
    const history = isBegun
      ? [...request.messages.slice(0, -1), continued(last, answer)]
      : [...request.messages, answer];
    const { toolChoice: _, tools = [], ...rest } = request;
    const offered = this.isOffered ? tools : tools.filter(({ name }) => name !== this.#offered.name);
    const following: ChatRequest = {
      ...rest,
      messages: [...history, ...results],
      ...(offered.length > 0 && { tools: offered }),
    };
    return { ...call, requests: [following], demands: [demandOf(following)] };
  }
}

function continued(begun: AssistantMessage, answer: AssistantMessage): AssistantMessage {
  return {
    ...begun,
    text: begun.text + answer.text,
    reasoning: begun.reasoning + answer.reasoning,
    toolCalls: answer.toolCalls,
  };
}

function messagesOf({ text, reasoning, searches }: SearchTurn, name: string): [AssistantMessage, ...ToolMessage[]] {
  const toolCalls = searches.map(({ id, query }) => ({ id, name, arguments: { query } }));
  return [
    { role: 'assistant', text, reasoning, toolCalls },
    ...searches.map((search) => ({ role: 'tool', text: searchText(search), callId: search.id, name }) as const),
  ];
}

/** Characters of a query that are kept. It is sent to the model again, and shown to the client. */
const maxKept = 1_000;

/** Models also name the parameter otherwise, or write a list of queries. @returns undefined for a call without a text */
function queryOf(text: string): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const values: readonly unknown[] = isObject(parsed) ? [parsed['query'], ...Object.values(parsed)].flat() : [parsed];
  const query = values.find((value) => typeof value === 'string' && value.trim() !== '');
  return typeof query === 'string' ? oneLine(query, maxKept) || undefined : undefined;
}
