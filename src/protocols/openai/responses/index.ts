import type { GenerationCall, GenerationProtocol, TextStore } from '../../../chat/protocol.ts';
import type { ChatRequest } from '../../../chat/request.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { droppableNames } from '../../field-table.ts';
import { openaiErrors } from '../error.ts';
import { ResponseEncoder } from './encoder.ts';
import { CompactionEncoder } from './compaction/encoder.ts';
import { compactionItem, compactionRequest } from './compaction/item.ts';
import { responseFields } from './fields.ts';
import { itemId, responseId } from './ids.ts';
import { type Prompt, readPrompt } from './prompt.ts';
import { type ParsedResponse, readResponse } from './request.ts';
import { type ResponseBody, type ResponseShape, toCompaction, toResponse } from './response.ts';
import { inputWithIds } from './stored/stored-responses.ts';
import { type Stored, storedFor } from './stored/stored.ts';
import { applyToolChoice } from './tools/index.ts';
import { toResponseUsage } from './usage.ts';

export { responseResources } from './stored/resources.ts';

/** Items, tools and parts of the input that are named by their type, and fields that a server may have no use for. */
const namedByType = (
  'input.content.image_url input.content.input_audio input.content.input_file ' +
  'input.encrypted_content input.compaction input.item_reference input.output.input_file input.output.input_image input.tool_search_output ' +
  'input.web_search_call reasoning.effort tools.code_interpreter tools.file_search ' +
  'tools.image_generation tools.mcp tools.tool_search tools.web_search tools.web_search_preview'
).split(' ');

/**
 * `POST /v1/responses`.
 *
 * @param store keeps responses, so that requests can continue them
 * @see https://platform.openai.com/docs/api-reference/responses
 */
export function responses(store: TextStore): GenerationProtocol {
  return {
    path: '/v1/responses',
    idPrefix: 'resp_',
    contentType: sseContentType,
    errors: openaiErrors,
    fieldNames: {
      max_tokens: 'max_output_tokens',
      messages: 'input',
      'messages.content.image_url': 'input.content.image_url',
      'messages.content.input_audio': 'input.content.input_audio',
      reasoning_effort: 'reasoning.effort',
      response_format: 'text.format.schema',
      truncate: 'truncation',
      verbosity: 'text.verbosity',
    },
    droppable: [...droppableNames(responseFields), ...namedByType],
    read: async (body, owner, quota, canSearch) =>
      await toCall(readResponse(body, canSearch), storedFor(store, owner, quota)),
  };
}

/**
 * `POST /v1/responses/compact`: the conversation as one item with a summary, made by the same model.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/compact
 */
export function compactResponses(store: TextStore): GenerationProtocol {
  return {
    ...responses(store),
    path: '/v1/responses/compact',
    async read(body, owner, quota) {
      const parsed = readResponse(body);
      const prompt = await readPrompt(parsed, storedFor(store, owner, quota));
      return {
        ...common(parsed),
        requests: [compaction(parsed, prompt)],
        stream: false,
        // Never streamed.
        encoder: (head) => new CompactionEncoder(head, shapeOf(parsed, prompt), () => undefined),
        respond: ([result], { usage }, head) => {
          const id = responseId(head);
          const output = [compactionItem(itemId('compaction', id, 'output', 0), result?.text ?? '')];
          return { id, object: 'response.compaction', created_at: head.created, output, usage: toResponseUsage(usage) };
        },
      };
    },
  };
}

/**
 * `POST /v1/responses/input_tokens`.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/input-tokens
 */
export function countResponseTokens(store: TextStore): GenerationProtocol {
  return {
    ...responses(store),
    path: '/v1/responses/input_tokens',
    async read(body, owner, quota, canSearch) {
      const parsed = readResponse(body, canSearch);
      const prompt = await readPrompt(parsed, storedFor(store, owner, quota));
      const { messages, offered } = prompt;
      const { format: _, ...request } = parsed.request;
      const { use, ...hosted } = applyToolChoice(parsed.toolChoice, offered, parsed.hosted);
      return {
        ...common(parsed),
        ...hosted,
        requests: [{ ...request, ...use, messages }],
        stream: false,
        countsOnly: true,
        // Never streamed.
        encoder: (head) => new ResponseEncoder(head, shapeOf(parsed, prompt), () => undefined),
        respond: (_results, { usage }) => ({ object: 'response.input_tokens', input_tokens: usage.inputTokens }),
      };
    },
  };
}

async function toCall(parsed: ParsedResponse, stored: Stored): Promise<GenerationCall> {
  const { echo } = parsed;
  const prompt = await readPrompt(parsed, stored);
  const { messages, offered, input, conversation } = prompt;
  const shape = shapeOf(parsed, prompt);
  if (conversation !== undefined) stored.conversations.requireRoom(conversation, input, 'conversation');
  let appended: Promise<void> | undefined;
  const onComplete = (response: ResponseBody): void => {
    const items = inputWithIds(input, response.id);
    const store = (): void => {
      if (parsed.store) stored.responses.put(response, items);
    };
    if (conversation === undefined) return store();
    // The response comes after it: it could push the conversation out of a full store.
    appended = stored.conversations.addTurn(conversation.id, [...items, ...response.output]);
    appended.then(store, () => undefined);
  };
  const compacts = input.some(({ type }) => type === 'compaction_trigger');
  const { use = {}, ...hosted } = compacts ? {} : applyToolChoice(parsed.toolChoice, offered, parsed.hosted);
  const request: ChatRequest = compacts ? compaction(parsed, prompt) : { ...parsed.request, ...use, messages };
  const Encoder = compacts ? CompactionEncoder : ResponseEncoder;
  return {
    ...common(parsed),
    ...hosted,
    requests: [request],
    stream: parsed.stream,
    stored: () => appended,
    encoder: (head) => new Encoder(head, shape, onComplete),
    respond([result], { usage }, head) {
      if (result === undefined) throw new Error('The answer has no result.');
      const whole = { ...result, usage };
      const response = compacts ? toCompaction(head, echo, whole) : toResponse(head, shape, whole);
      onComplete(response);
      return response;
    },
  };
}

function shapeOf({ echo, sealsReasoning }: ParsedResponse, { offered }: Prompt): ResponseShape {
  return { echo, offered, sealsReasoning };
}

function common({ dropped, hideThinking }: ParsedResponse): Pick<GenerationCall, 'hideThinking' | 'dropped'> {
  return { hideThinking, ...dropped.report() };
}

/** @returns the request for a summary of the conversation, without tools, which the model might call instead */
function compaction(parsed: ParsedResponse, { messages }: Prompt): ChatRequest {
  const { format: _, ...request } = parsed.request;
  return { ...request, messages: [...messages, compactionRequest] };
}
