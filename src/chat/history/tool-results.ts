import { Calls } from './calls.ts';
import type { AssistantMessage, Message, ToolCall, ToolMessage } from '../request.ts';

/**
 * Puts the results of tools directly after the message that made the calls, in the order of the calls. Most templates show
 * no ids, so a model reads the first result as that of the first call; and most servers want nothing between calls and
 * results. A result belongs to the last earlier call with its id, or else to the first later one. Without an id it belongs
 * to the last earlier call of the same tool without a result, or else to any without one. Results that belong to no call
 * keep their place. Takes time in proportion to the length of the history.
 *
 * @returns the same array when there is nothing to move
 */
export function inCallOrder(messages: readonly Message[]): readonly Message[] {
  const rounds = roundsOf(messages);
  assignResults(messages, rounds);
  const ordered: Message[] = [];
  for (const message of messages) {
    if (message.role === 'tool' && rounds.assigned.has(message)) continue;
    ordered.push(message);
    if (message.role !== 'assistant') continue;
    for (const { results } of rounds.byMessage.get(message)?.calls ?? []) ordered.push(...joined(results));
  }
  const isSame = ordered.length === messages.length && ordered.every((message, index) => message === messages[index]);
  return isSame ? messages : ordered;
}

interface CallState {
  readonly id: string;
  readonly name: string;
  readonly results: ToolMessage[];
}

interface Rounds {
  readonly byMessage: Map<AssistantMessage, Round>;
  /** The first call with each id. */
  readonly firstById: Map<string, CallState>;
  readonly assigned: Set<ToolMessage>;
}

function roundsOf(messages: readonly Message[]): Rounds {
  const rounds: Rounds = { byMessage: new Map(), firstById: new Map(), assigned: new Set() };
  for (const message of messages) {
    if (message.role !== 'assistant' || message.toolCalls.length === 0) continue;
    const round = new Round(message.toolCalls);
    rounds.byMessage.set(message, round);
    for (const call of round.calls) if (!rounds.firstById.has(call.id)) rounds.firstById.set(call.id, call);
  }
  return rounds;
}

function assignResults(messages: readonly Message[], { byMessage, firstById, assigned }: Rounds): void {
  const latestById = new Map<string, Round>();
  let current: Round | undefined;
  for (const message of messages) {
    if (message.role === 'assistant') {
      const round = byMessage.get(message);
      if (round === undefined) continue;
      current = round;
      for (const { id } of round.calls) latestById.set(id, round);
    } else if (message.role === 'tool') {
      const { callId, name } = message;
      const call =
        callId === ''
          ? current?.index.firstUnanswered(name)
          : (latestById.get(callId)?.index.withId(callId) ?? unansweredFirst(firstById.get(callId)));
      if (call === undefined) continue;
      assigned.add(message);
      call.results.push(message);
    }
  }
}

function unansweredFirst(call: CallState | undefined): CallState | undefined {
  return call?.results.length === 0 ? call : undefined;
}

/** Several results of one call become one: servers take one message for each call. */
function joined(results: readonly ToolMessage[]): readonly ToolMessage[] {
  const [first, ...others] = results;
  if (first === undefined || others.length === 0) return results;
  const texts = results.map(({ text }) => text).filter((text) => text !== '');
  const images = results.flatMap((result) => result.images ?? []);
  const audio = results.flatMap((result) => result.audio ?? []);
  return [
    {
      ...first,
      text: texts.join('\n'),
      ...(images.length > 0 && { images }),
      ...(audio.length > 0 && { audio }),
    },
  ];
}

/** The calls of one message of the assistant. */
class Round {
  readonly calls: readonly CallState[];
  readonly index = new Calls<CallState>(({ results }) => results.length > 0);

  constructor(calls: readonly ToolCall[]) {
    this.calls = calls.map(({ id, name }) => ({ id, name, results: [] }));
    for (const call of this.calls) this.index.add(call, call.id, call.name);
  }
}
