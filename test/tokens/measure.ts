import { countable } from '../../src/chat/countable.ts';
import { estimatedInputTokens } from '../../src/chat/estimate.ts';
import type { ChatRequest, Message } from '../../src/chat/request.ts';
import { TokenCounter } from '../../src/handlers/steps/token-counter.ts';
import { textsByKind } from './texts.ts';

/** Counts the tokens of a text as a model does. */
export type Tokenize = (text: string) => number;

/** Relative errors: -0.1 for an estimate that is a tenth too small. */
export interface Errors {
  /** Of half of the prompts, without its sign. */
  readonly median: number;
  readonly under: number;
  readonly over: number;
}

const kinds = textsByKind();
/** What a coding agent reads. */
const usual = ['TypeScript', 'English (Markdown)', 'JSON', 'YAML'].flatMap((kind) => kinds[kind] ?? []);
/** Tokens with which templates mark a message. */
const perMessage = 5;

function promptOf(texts: readonly string[]): ChatRequest {
  const messages: Message[] = texts.map((text, index) =>
    index % 2 === 0
      ? { role: 'user', text, images: [] }
      : {
          role: 'assistant',
          text: '',
          reasoning: '',
          toolCalls: [{ id: '1', name: 'Write', arguments: { content: text } }],
        },
  );
  return { kind: 'chat', model: 'm', messages, sampling: {} };
}

function truth(request: ChatRequest, tokenize: Tokenize): number {
  return request.messages.reduce((sum, message) => {
    const calls =
      message.role === 'assistant' ? message.toolCalls.map((call) => call.name + JSON.stringify(call.arguments)) : [];
    return sum + perMessage + tokenize(message.text) + tokenize(calls.join(''));
  }, 20);
}

/** A generator of numbers from 0 to 1, the same at every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

interface ConversationErrors {
  /** Of prompts with more than 4,000 tokens. */
  readonly long: Errors;
  readonly short: Errors;
  /** Of the long ones, at four characters a token. */
  readonly unlearned: Errors;
}

const longPrompt = 4_000;

/** @returns the errors for the turns of conversations, each counted before its answer is learned from */
export function conversationErrors(tokenize: Tokenize): ConversationErrors {
  const random = randomNumbers(1);
  const counter = new TokenCounter();
  const errors = { long: [] as number[], short: [] as number[], unlearned: [] as number[] };
  for (let conversation = 0; conversation < 30; conversation += 1) {
    const texts: string[] = [];
    for (let turn = 0; turn < 12; turn += 1) {
      for (let more = random() * 3; more > 0; more -= 1) {
        const text = usual[Math.floor(random() * usual.length)] ?? '';
        texts.push(text.slice(0, 50 + Math.floor(random() * text.length)));
      }
      const request = promptOf(texts);
      const real = truth(request, tokenize);
      const counted = counter.count('m', countable(request));
      if (counted !== undefined) {
        errors[real > longPrompt ? 'long' : 'short'].push(counted / real - 1);
        if (real > longPrompt) errors.unlearned.push(estimatedInputTokens(request) / real - 1);
      }
      counter.learn('m', countable(request), real);
    }
  }
  return { long: errorsOf(errors.long), short: errorsOf(errors.short), unlearned: errorsOf(errors.unlearned) };
}

/** @returns for each kind of text the errors of prompts with nothing else, after learning from usual prompts only */
export function errorsByKind(tokenize: Tokenize): Map<string, Errors> {
  const counter = new TokenCounter();
  for (let size = 1; size <= 40; size += 1) {
    const request = promptOf(
      Array.from({ length: size }, (_, index) => usual[(size * 37 + index * 101) % usual.length] ?? ''),
    );
    counter.learn('m', countable(request), truth(request, tokenize));
  }
  return new Map(
    Object.entries(kinds).map(([kind, texts]) => {
      const errors = texts.map((text) => {
        // Long enough that the learned tokens of the template do not matter.
        const request = promptOf(Array.from({ length: 10 }, () => text));
        return (counter.count('m', countable(request)) ?? 0) / truth(request, tokenize) - 1;
      });
      return [kind, errorsOf(errors)];
    }),
  );
}

function errorsOf(errors: readonly number[]): Errors {
  const sizes = errors.map(Math.abs).toSorted((one, other) => one - other);
  return {
    median: sizes[Math.floor(sizes.length / 2)] ?? 0,
    under: Math.min(...errors, 0),
    over: Math.max(...errors, 0),
  };
}
