import type { Attachments, ChatRequest, Message, UserMessage } from './request.ts';
import { inCallOrder } from './tool-results.ts';

/**
 * Brings a history into the form that every backend and template takes, without losing anything of it:
 *
 * - the results of tools follow their calls, in the order of the calls;
 * - there is one system message before everything else. Later ones become part of a user's message at the same place: many
 *   templates refuse a system message there, and others move its text to the front of the prompt, where every change makes
 *   the server evaluate the whole conversation again;
 * - images and audio are in users' messages, because other messages have no place for them in most templates.
 *
 * The result depends only on the messages up to each point, so that a longer history begins with the same prompt.
 */
export function settleHistory(request: ChatRequest): ChatRequest {
  const { messages } = request;
  const settled = needsMoves(messages) ? moved(inCallOrder(messages)) : inCallOrder(messages);
  return settled === messages ? request : { ...request, messages: settled };
}

/** True for a system message that is not the first, and for attachments of a message that is not the user's. */
function needsMoves(messages: readonly Message[]): boolean {
  return messages.some(
    (message, index) => (message.role === 'system' && index > 0) || (message.role !== 'user' && hasMedia(message)),
  );
}

function hasMedia({ images = [], audio = [] }: Attachments): boolean {
  return images.length > 0 || audio.length > 0;
}

function moved(messages: readonly Message[]): Message[] {
  const moves = new Moves();
  for (const message of messages) moves.add(message);
  return moves.end();
}

class Moves {
  readonly #messages: Message[] = [];
  /** The index of the system message at the beginning. */
  #system: number | undefined;
  #hasBegun = false;
  /** Goes into the next message of the user, or becomes one before the next message of the assistant. */
  #pending: UserMessage | undefined;

  add(message: Message): void {
    switch (message.role) {
      case 'system':
        return this.#addSystem(message);
      case 'user':
        this.#messages.push(this.#pending === undefined ? message : merged(this.#pending, message));
        this.#pending = undefined;
        break;
      case 'assistant':
        this.#flush();
        this.#push(message);
        break;
      case 'tool':
      case 'other':
        this.#push(message);
        break;
      default:
        message satisfies never;
    }
    // A role of one model, such as Granite's control, may come before the system message.
    if (message.role !== 'other') this.#hasBegun = true;
  }

  end(): Message[] {
    this.#flush();
    return this.#messages;
  }

  #addSystem(message: Extract<Message, { role: 'system' }>): void {
    const { text, images, audio } = message;
    if (this.#hasBegun) {
      if (text === '' && !hasMedia(message)) return;
      return this.#addToUser(userMessage(text === '' ? '' : asReminder(text), { images, audio }));
    }
    const first = this.#system === undefined ? undefined : this.#messages[this.#system];
    if (this.#system === undefined || first === undefined) {
      this.#system = this.#messages.length;
      this.#messages.push({ role: 'system', text });
    } else {
      this.#messages[this.#system] = { role: 'system', text: joinTexts(first.text, text) };
    }
    if (hasMedia(message)) this.#addToUser(userMessage('', { images, audio }));
  }

  /** Adds a message that is not the user's, and keeps its attachments for the next one of the user. */
  #push(message: Exclude<Message, { role: 'user' | 'system' }>): void {
    if (!hasMedia(message)) {
      this.#messages.push(message);
      return;
    }
    const { images, audio, ...rest } = message;
    const isEmpty = rest.text === '' && (rest.role !== 'assistant' || rest.toolCalls.length === 0);
    this.#messages.push(isEmpty ? { ...rest, text: '(attached to the next message)' } : rest);
    const attached = userMessage('', { images, audio });
    this.#pending = this.#pending === undefined ? attached : merged(this.#pending, attached);
  }

  #addToUser(message: UserMessage): void {
    const last = this.#messages.at(-1);
    if (last?.role === 'user' && this.#pending === undefined) {
      this.#messages[this.#messages.length - 1] = merged(last, message);
    } else {
      this.#pending = this.#pending === undefined ? message : merged(this.#pending, message);
    }
  }

  #flush(): void {
    if (this.#pending !== undefined) this.#messages.push(this.#pending);
    this.#pending = undefined;
  }
}

function userMessage(text: string, { images = [], audio = [] }: OptionalMedia): UserMessage {
  return { role: 'user', text, images, ...(audio.length > 0 && { audio }) };
}

interface OptionalMedia {
  readonly images?: Attachments['images'] | undefined;
  readonly audio?: Attachments['audio'] | undefined;
}

function merged(first: UserMessage, second: UserMessage): UserMessage {
  const audio = [...(first.audio ?? []), ...(second.audio ?? [])];
  return {
    role: 'user',
    text: joinTexts(first.text, second.text),
    images: [...first.images, ...second.images],
    ...(audio.length > 0 && { audio }),
  };
}

/** Joins texts as Ollama joins messages of one role. */
function joinTexts(first: string, second: string): string {
  return first === '' || second === '' ? first + second : `${first}\n\n${second}`;
}

/** Marks a text that is not the user's own. Agents use this tag, and their models know it. */
function asReminder(text: string): string {
  return `<system-reminder>\n${text}\n</system-reminder>`;
}
