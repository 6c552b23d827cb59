import type { AnswerHead, GenerationCall } from '../../chat/protocol.ts';
import type { ChatRequest, GenerationRequest, Tool } from '../../chat/request.ts';
import { withMissingNote } from '../../chat/missing-tools.ts';
import type { HostedTools, SearchTool } from '../../chat/search.ts';
import { invalidValue } from '../../errors.ts';
import type { Searcher } from '../../search/searcher.ts';

/** A search that is offered to the model. */
export interface OfferedSearch {
  readonly tool: SearchTool;
  /** The name of its function. */
  readonly name: string;
  /** Searches for one answer. */
  readonly uses: number;
}

/** A call whose requests say to the model which hosted tools it has. */
interface HostedCall {
  readonly call: GenerationCall;
  /** Absent: the model is offered no search. */
  readonly search?: OfferedSearch;
}

/**
 * Tells the model about the tools that the client wants this server to run: it is offered the search, if there is one, and
 * told what is not available, because models make up the results of tools that they are only told to use.
 *
 * @throws {GatewayError} 400 for several choices that search
 */
export function applyHostedTools(call: GenerationCall, searcher: Searcher | undefined): HostedCall {
  const { hosted } = call;
  if (hosted === undefined) return { call };
  const noted = withRequests(call, (request) => withMissingNote(request, hosted.missing));
  if (hosted.search === undefined || searcher === undefined) return { call: noted };
  if (call.requests.length > 1) throw invalidValue('n', 'n must be 1 for an answer that searches the web.');
  const { maxUses = searcher.uses } = hosted.search;
  const [first] = call.requests;
  const names = new Set((first.kind === 'chat' ? (first.tools ?? []) : []).map(({ name }) => name));
  let name = 'web_search';
  for (let number = 2; names.has(name); number += 1) name = `web_search_${number}`;
  const search = { tool: hosted.search, name, uses: Math.min(maxUses, searcher.uses) };
  return { call: withRequests(noted, (request) => withSearch(request, search, hosted)), search };
}

/** True if the request is for a web search, and there is none. */
export function isMissingPurpose(call: GenerationCall): boolean {
  const { hosted } = call;
  return hosted?.purpose !== undefined && hosted.missing.includes('web search') && isShown(call);
}

/** True if the client gets the answer. Nothing is searched for otherwise, but the prompt is the same. */
export function isShown({ countsOnly, showsNothing }: GenerationCall): boolean {
  return countsOnly !== true && showsNothing !== true;
}

const why = 'Web search is not available on this server: no search server is configured';

/**
 * @returns the answer to a request for a search that is not available, in the format of its dialect. No model is asked
 * @throws {GatewayError} 400 if the dialect has no form for it
 */
export function missingSearchAnswer(call: GenerationCall, head: AnswerHead): { text: string } | { body: object } {
  if (call.answersMissingSearch !== true) {
    const field = call.hosted?.purpose ?? 'tools';
    throw invalidValue(field, `${why}. Remove it from ${field}, or ask the operator to set web_search.`);
  }
  const [request] = call.requests;
  const id = 'call_unavailable';
  const query = request.kind === 'chat' ? lastUserText(request) : '';
  const search = { id, query, outcome: { fault: 'unavailable' } } as const;
  const text = `${why}, so nothing was searched. There are no search results.`;
  const nothing = { usage: { inputTokens: 0, outputTokens: 0 }, timings: {} };
  if (!call.stream) {
    const turns = [{ text: '', reasoning: '', searches: [search] }];
    const result = {
      text,
      reasoning: '',
      toolCalls: [],
      logprobs: [],
      finishReason: 'stop',
      turns,
      ...nothing,
    } as const;
    return { body: call.respond([result], nothing, head) };
  }
  const encoder = call.encoder(head);
  const parts = [
    encoder.search?.({ type: 'begun', id, query }) ?? '',
    encoder.search?.({ type: 'ended', search }) ?? '',
    encoder.write({ type: 'text', text }, 0),
    encoder.write({ type: 'finish', reason: 'stop', ...nothing }, 0),
    encoder.end(nothing),
  ];
  return { text: parts.join('') };
}

/** Characters of a query that was never sent. */
const maxShown = 400;

function lastUserText({ messages }: ChatRequest): string {
  return (messages.findLast(({ role }) => role === 'user')?.text ?? '').slice(0, maxShown).toWellFormed();
}

function withRequests(call: GenerationCall, change: (request: GenerationRequest) => GenerationRequest): GenerationCall {
  const [first, ...others] = call.requests;
  return { ...call, requests: [change(first), ...others.map(change)] };
}

function withSearch(request: GenerationRequest, search: OfferedSearch, { mustSearch }: HostedTools): GenerationRequest {
  if (request.kind !== 'chat') return request;
  const tools = [...(request.tools ?? []), searchFunctionOf(search)];
  return { ...request, tools, ...(mustSearch === true && { toolChoice: { name: search.name } }) };
}

function searchFunctionOf({ name, tool: { location } }: OfferedSearch): Tool {
  const place = location === undefined ? '' : ` The user is in ${location}.`;
  return {
    name,
    runsHere: true,
    description: `Searches the web and returns titles, addresses and excerpts of pages. In the answer, name the addresses of the pages that it is based on.${place}`,
    parameters: {
      type: 'object',
      properties: { query: { type: 'string', description: 'What to search for.' } },
      required: ['query'],
    },
  };
}
