import type { Attachments, Audio, ChatRequest, Image, Message, SystemMessage, UserMessage } from '../request.ts';
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
  let [hasResults, hasMoves] = [false, false];
  for (let index = 0; index < messages.length; index += 1) {
    const message = messages[index] as Message;
    if (message.role === 'tool') hasResults = true;
    // A system message that is not the first, and attachments of a message that is not the user's.
    if (message.role === 'system' && index > 0 && message.isPinned !== true) hasMoves = true;
    if (message.role !== 'user' && hasMedia(message)) hasMoves = true;
  }
  const ordered = hasResults ? inCallOrder(messages) : messages;
  const settled = hasMoves ? moved(ordered) : ordered;
  return settled === messages ? request : { ...request, messages: settled };
}

/** True for a message with images or recordings. */
export function hasMedia({ images = [], audio = [] }: Attachments): boolean {
  return images.length > 0 || audio.length > 0;
}

function moved(messages: readonly Message[]): Message[] {
  const moves = new Moves();
  for (const message of messages) moves.add(message);
  return moves.end();
}

/** A message of the user that others are added to. */
interface Draft {
  readonly role: 'user';
  text: string;
  readonly images: Image[];
  audio?: Audio[];
}

class Moves {
  readonly #messages: Message[] = [];
  /** The index of the system message at the beginning. */
  #system: number | undefined;
  #hasBegun = false;
  /** Goes into the next message of the user, or becomes one before the next message of the assistant. */
  #pending: Draft | undefined;
  /** The last of the messages, if others were added to it. */
  #last: Draft | undefined;

  add(message: Message): void {
    switch (message.role) {
      case 'system':
        return this.#addSystem(message);
      case 'user':
        if (this.#pending === undefined) this.#messages.push(message);
        else addTo(this.#pending, message);
        this.#flush();
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

  #addSystem(message: SystemMessage): void {
    const { text } = message;
    if (message.isPinned === true) {
      this.#flush();
      this.#messages.push(message);
      return;
    }
    if (this.#hasBegun) {
      const reminder = text === '' ? '' : asReminder(text);
      if (reminder !== '' || hasMedia(message)) this.#addToUser({ ...message, text: reminder });
      return;
    }
    const first = this.#system === undefined ? undefined : this.#messages[this.#system];
    if (this.#system === undefined || first === undefined) {
      this.#system = this.#messages.length;
      this.#messages.push({ role: 'system', text });
    } else {
      this.#messages[this.#system] = { role: 'system', text: joinTexts(first.text, text) };
    }
    if (hasMedia(message)) this.#addToUser({ ...message, text: '' });
  }

  /** Adds a message that is not the user's, and keeps its attachments for the next one of the user. */
  #push(message: Exclude<Message, UserMessage | SystemMessage>): void {
    if (!hasMedia(message)) {
      this.#messages.push(message);
      return;
    }
    const { images: _images, audio: _audio, ...rest } = message;
    const isEmpty = rest.text === '' && (rest.role !== 'assistant' || rest.toolCalls.length === 0);
    this.#messages.push(isEmpty ? { ...rest, text: '(attached to the next message)' } : rest);
    addTo((this.#pending ??= newDraft()), { ...message, text: '' });
  }

  #addToUser(message: AddedMessage): void {
    const last = this.#messages.at(-1);
    if (this.#pending !== undefined || last?.role !== 'user') {
      addTo((this.#pending ??= newDraft()), message);
      return;
    }
    if (last !== this.#last) {
      this.#last = newDraft();
      addTo(this.#last, last);
      this.#messages[this.#messages.length - 1] = this.#last;
    }
    addTo(this.#last, message);
  }

  #flush(): void {
    if (this.#pending !== undefined) {
      this.#messages.push(this.#pending);
      this.#last = this.#pending;
    }
    this.#pending = undefined;
  }
}

type AddedMessage = Pick<Message, 'text' | 'images' | 'audio'>;

function newDraft(): Draft {
  return { role: 'user', text: '', images: [] };
}

function addTo(draft: Draft, { text, images = [], audio = [] }: AddedMessage): void {
  draft.text = joinTexts(draft.text, text);
  for (const image of images) draft.images.push(image);
  if (audio.length === 0) return;
  draft.audio ??= [];
  for (const recording of audio) draft.audio.push(recording);
}

/** Joins texts as Ollama joins messages of one role. */
function joinTexts(first: string, second: string): string {
  return first === '' || second === '' ? first + second : `${first}\n\n${second}`;
}

/** Marks a text that is not the user's own. Agents use this tag, and their models know it. */
function asReminder(text: string): string {
  return `<system-reminder>\n${text}\n</system-reminder>`;
}
