import { isObject } from '../framing/json.ts';
import type { ChatRequest, GenerationRequest } from './request.ts';

/** Characters a token: English text has about four. */
const charactersPerToken = 4;

/** About how many tokens a prompt has, from its characters, where nobody has counted them yet. */
export function estimatedInputTokens(request: GenerationRequest): number {
  const tools = request.kind === 'chat' ? toolCharacters(request) : 0;
  return Math.ceil((promptCharacters(request) + tools) / charactersPerToken);
}

/** About how many tokens an answer will have: what is not asked for otherwise is taken for a page. */
export function estimatedOutputTokens(maxTokens: number | undefined): number {
  return maxTokens === undefined ? page : Math.min(maxTokens, page);
}

/** Tokens. */
const page = 512;

/** What texts in a backend's own request body do not come to the model as text. */
const images = new Set(['images', 'image_url', 'input_image']);

/** About how many tokens the texts in a request body have, whatever its dialect. */
export function estimatedTokensIn(body: unknown): number {
  return Math.ceil(charactersIn(body) / charactersPerToken);
}

function charactersIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let characters = 0;
  // No list of entries is made: some clients send millions of numbers.
  if (Array.isArray(value)) for (const part of value as unknown[]) characters += charactersIn(part);
  else if (isObject(value)) for (const name in value) if (!images.has(name)) characters += charactersIn(value[name]);
  return characters;
}

/** Characters of the texts of a prompt. */
export function promptCharacters(request: GenerationRequest): number {
  if (request.kind === 'completion') return request.prompt.length + (request.suffix?.length ?? 0);
  return request.messages.reduce((sum, { text }) => sum + text.length, 0);
}

function toolCharacters({ tools }: ChatRequest): number {
  return tools === undefined ? 0 : JSON.stringify(tools).length;
}
