import { createHash } from 'node:crypto';
import type { AssistantMessage, Audio, GenerationRequest, Image } from './request.ts';

/** A prompt as far as its tokens can be counted without a server. */
export interface Countable {
  /** The tokens of its text in a typical vocabulary. Models differ by a factor. */
  readonly tokens: number;
  /** Identifies the images and recordings of the prompt; '' for a prompt without any. */
  readonly media: string;
}

/** Characters of English and of code for each token. */
const perToken = 4;
/** Digits for each token: some models have one for each, others one for three. */
const perDigitToken = 2;
/** Runs of letters and digits that are longer are hashes, keys or base64. */
const randomRun = 16;
const perRandomToken = 1.5;

/**
 * Measures a prompt. It looks at every character, some 5 ms for a megabyte, so it is only for counts and for learning from them.
 */
export function countable(request: GenerationRequest): Countable {
  if (request.kind === 'completion') return { tokens: textTokens(request.prompt + (request.suffix ?? '')), media: '' };
  const { messages, tools } = request;
  let tokens = tools === undefined ? 0 : textTokens(JSON.stringify(tools));
  const media: string[] = [];
  const lastUser = messages.findLastIndex(({ role }) => role === 'user');
  for (const [index, message] of messages.entries()) {
    tokens += textTokens(message.text);
    for (const one of [...(message.images ?? []), ...(message.audio ?? [])]) media.push(markOf(one));
    if (message.role === 'assistant') tokens += answerTokens(message, index > lastUser);
  }
  return { tokens, media: media.length === 0 ? '' : createHash('sha256').update(media.join()).digest('base64') };
}

/** @returns a few characters by which an image is recognized: to read all of it would take too long */
function markOf(media: Image | Audio): string {
  if (!('base64' in media)) return '';
  const { base64 } = media;
  const middle = Math.floor(base64.length / 2);
  return `${base64.length}:${base64.slice(middle, middle + 64)}:${base64.slice(-64)}`;
}

/** @param isOpen true for a message of the current round of tools: templates leave out the thinking of earlier ones */
function answerTokens({ reasoning, toolCalls }: AssistantMessage, isOpen: boolean): number {
  let tokens = isOpen ? textTokens(reasoning) : 0;
  for (const call of toolCalls) {
    tokens += textTokens(call.name) + textTokens(JSON.stringify(call.arguments));
  }
  return tokens;
}

/** @returns about how many tokens a text has, with fractions */
export function textTokens(text: string): number {
  let tokens = 0;
  let [letters, digits] = [0, 0];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (isLetter(code)) letters += 1;
    else if (code >= 0x30 && code <= 0x39) digits += 1;
    else {
      if (letters > 0 || digits > 0) tokens += runTokens(letters, digits);
      letters = digits = 0;
      tokens += otherTokens(code);
    }
  }
  return tokens + runTokens(letters, digits);
}

function isLetter(code: number): boolean {
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a && code < 0x80;
}

function runTokens(letters: number, digits: number): number {
  const isRandom = digits > 0 && letters + digits >= randomRun;
  return isRandom ? (letters + digits) / perRandomToken : letters / perToken + digits / perDigitToken;
}

/**
 * Tokens of a UTF-16 code unit below each code point. Vocabularies have few words of most scripts, and differ in how many:
 * these are between those of 100,000 and of 200,000 tokens, nearer to the former.
 */
const blocks: readonly (readonly [end: number, tokens: number])[] = [
  [0x80, 1 / perToken],
  // Letters with marks; Greek; Cyrillic; Hebrew and Arabic; scripts of India and Southeast Asia; punctuation and symbols.
  [0x370, 0.6],
  [0x400, 0.6],
  [0x530, 0.42],
  [0x900, 0.6],
  [0x1100, 0.65],
  [0x2e80, 0.8],
  // Chinese and Japanese; Korean; halves of an emoji and the rest.
  [0xac00, 1],
  [0xd7b0, 0.85],
  [0x10000, 1],
];

function otherTokens(code: number): number {
  return blocks.find(([end]) => code < end)?.[1] ?? 1;
}
