import type { ChatRequest, GenerationRequest } from './request.ts';

/** Characters a token: English text has about four. */
const charactersPerToken = 4;

/** About how many tokens a prompt has, from its characters, where nobody has counted them yet. */
export function estimatedInputTokens(request: GenerationRequest): number {
  const tools = request.kind === 'chat' ? toolCharacters(request) : 0;
  return Math.ceil((promptCharacters(request) + tools) / charactersPerToken);
}

/** Characters of the texts of a prompt. */
export function promptCharacters(request: GenerationRequest): number {
  if (request.kind === 'completion') return request.prompt.length + (request.suffix?.length ?? 0);
  return request.messages.reduce((sum, { text }) => sum + text.length, 0);
}

function toolCharacters({ tools }: ChatRequest): number {
  return tools === undefined ? 0 : JSON.stringify(tools).length;
}
