import { isObject } from '../framing/json.ts';
import type { GenerationRequest } from './request.ts';

/** English text has about four characters a token. */
const charactersPerToken = 4;

/** @returns about how many tokens a prompt has, from its characters, before the backend has counted them */
export function estimatedInputTokens(request: GenerationRequest): number {
  const tools = request.kind === 'chat' ? request.tools : undefined;
  const toolCharacters = tools === undefined ? 0 : JSON.stringify(tools).length;
  return Math.ceil((promptCharacters(request) + toolCharacters) / charactersPerToken);
}

/** Tokens of an answer whose length is not limited: about a page. */
const page = 512;

/** @returns about how many tokens an answer will have: a page, or less if `maxTokens` limits it */
export function estimatedOutputTokens(maxTokens: number | undefined): number {
  return maxTokens === undefined ? page : Math.min(maxTokens, page);
}

/** Fields of request bodies that hold images, which reach the model as something other than text. */
const imageFields = new Set(['images', 'image_url', 'input_image']);

/** @returns about how many tokens the texts in a request body of any dialect have */
export function estimatedTokensIn(body: unknown): number {
  return Math.ceil(charactersIn(body) / charactersPerToken);
}

function charactersIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let characters = 0;
  // Loops without Object.entries: some clients send millions of numbers, and each entry would be an array.
  if (Array.isArray(value)) {
    // Numbers in a list are token ids.
    for (const item of value as unknown[]) {
      characters += typeof item === 'number' ? charactersPerToken : charactersIn(item);
    }
  } else if (isObject(value)) {
    for (const name in value) if (!imageFields.has(name)) characters += charactersIn(value[name]);
  }
  return characters;
}

/** @returns the characters of all texts and calls of a prompt, without its tools */
export function promptCharacters(request: GenerationRequest): number {
  if (request.kind === 'completion') return request.prompt.length + (request.suffix?.length ?? 0);
  let characters = 0;
  for (const message of request.messages) {
    characters += message.text.length;
    if (message.role !== 'assistant') continue;
    for (const call of message.toolCalls) characters += JSON.stringify(call.arguments).length;
  }
  return characters;
}
