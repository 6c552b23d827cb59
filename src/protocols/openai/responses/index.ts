import type { GenerationCall, GenerationProtocol, TextStore } from '../../../chat/protocol.ts';
import type { ChatRequest, Message } from '../../../chat/request.ts';
import { GatewayError, invalidValue, quoted } from '../../../errors.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { droppableNames } from '../../field-table.ts';
import { openaiErrors } from '../error.ts';
import { ResponseEncoder } from './encoder.ts';
import { CompactionEncoder } from './compaction/encoder.ts';
import { compactionItem, compactionRequest } from './compaction/item.ts';
import { responseFields } from './fields.ts';
import { History } from './stored/history.ts';
import { itemId, responseId } from './ids.ts';
import type { InputEntry } from './input.ts';
import type { Item } from './items.ts';
import { toMessages } from './messages.ts';
import { type ParsedResponse, readResponse } from './request.ts';
import { type ResponseBody, toCompaction, toResponse } from './response.ts';
import { StoredResponses } from './stored/stored-responses.ts';
import { OfferedTools, applyToolChoice, offerFound } from './tools/index.ts';
import { toResponseUsage } from './usage.ts';

export { responseResources } from './stored/resources.ts';

/** Items, tools and parts of the input that are named by their type, and fields that a server may have no use for. */
const namedByType = (
  'include.reasoning.encrypted_content input.content.image_url input.custom_tool_call input.custom_tool_call_output ' +
  'input.content.input_audio input.content.input_file input.output.input_file ' +
  'input.item_reference input.local_shell_call input.local_shell_call_output input.output.input_image ' +
  'input.web_search_call reasoning.effort tools.code_interpreter tools.computer_use_preview ' +
  'tools.file_search tools.image_generation tools.mcp tools.tool_search tools.web_search ' +
  'tools.web_search_preview'
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
    },
    droppable: [...droppableNames(responseFields), ...namedByType],
    read: async (body, owner, quota) => await toCall(readResponse(body), new StoredResponses(store, owner, quota)),
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
      const prompt = await readPrompt(parsed, new StoredResponses(store, owner, quota));
      return {
        ...common(parsed),
        requests: [compaction(parsed, prompt)],
        stream: false,
        // Never streamed.
        encoder: (head) => new CompactionEncoder(head, parsed.echo, prompt.offered, () => undefined),
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
    async read(body, owner, quota) {
      const parsed = readResponse(body);
      const { messages, offered } = await readPrompt(parsed, new StoredResponses(store, owner, quota));
      const { format: _, ...request } = parsed.request;
      return {
        ...common(parsed),
        requests: [
          { ...request, ...applyToolChoice(parsed.toolChoice, offered), messages, sampling: { maxTokens: 1 } },
        ],
        stream: false,
        countsOnly: true,
        // Never streamed.
        encoder: (head) => new ResponseEncoder(head, parsed.echo, offered, () => undefined),
        respond: (_results, { usage }) => ({ object: 'response.input_tokens', input_tokens: usage.inputTokens }),
      };
    },
  };
}

/** The items that a request's messages were read from. */
interface Prompt {
  readonly messages: readonly Message[];
  readonly offered: OfferedTools;
  /** The request's own items. */
  readonly input: readonly Item[];
}

/** Loads the earlier responses. @throws {GatewayError} 400 or 404 for a response or an item that is not stored */
async function readPrompt(parsed: ParsedResponse, stored: StoredResponses): Promise<Prompt> {
  const { dropped, previousId } = parsed;
  const history = new History(stored);
  const earlier = previousId === undefined ? [] : await history.conversation(previousId);
  const input = await resolveReferences(parsed, history);
  const entries = [...earlier.map((item) => ({ item, path: 'previous_response_id' })), ...input];
  const items = entries.map(({ item }) => item);
  const offered = new OfferedTools();
  for (const tool of parsed.tools.offered) offered.add(tool);
  offerFound(items, offered, dropped);
  const messages = [...parsed.instructions, ...toMessages(entries, offered, dropped)];
  if (messages.length === 0) throw invalidValue('input', 'input contains nothing that can be sent to a model.');
  return { messages, offered, input: input.map(({ item }) => item) };
}

async function toCall(parsed: ParsedResponse, stored: StoredResponses): Promise<GenerationCall> {
  const { echo } = parsed;
  const prompt = await readPrompt(parsed, stored);
  const { messages, offered, input } = prompt;
  const onComplete = (response: ResponseBody): void => {
    if (parsed.store) stored.put(response, input);
  };
  const compacts = input.some(({ type }) => type === 'compaction_trigger');
  const request: ChatRequest = compacts
    ? compaction(parsed, prompt)
    : { ...parsed.request, ...applyToolChoice(parsed.toolChoice, offered), messages };
  const Encoder = compacts ? CompactionEncoder : ResponseEncoder;
  return {
    ...common(parsed),
    requests: [request],
    stream: parsed.stream,
    encoder: (head) => new Encoder(head, echo, offered, onComplete),
    respond([result], { usage }, head) {
      if (result === undefined) throw new Error('The answer has no result.');
      const response = (compacts ? toCompaction : toResponse)(head, echo, offered, { ...result, usage });
      onComplete(response);
      return response;
    },
  };
}

function common({ dropped, hideThinking }: ParsedResponse): Pick<GenerationCall, 'hideThinking' | 'dropped'> {
  return { hideThinking, ...dropped.report() };
}

/** @returns the request for a summary of the conversation, without tools, which the model might call instead */
function compaction(parsed: ParsedResponse, { messages }: Prompt): ChatRequest {
  const { format: _, ...request } = parsed.request;
  return { ...request, messages: [...messages, compactionRequest] };
}

/** Replaces each reference in the input by its item. @throws {GatewayError} 404 for an item that is not stored */
async function resolveReferences(
  { input, dropped }: ParsedResponse,
  history: History,
): Promise<{ readonly item: Item; readonly path: string }[]> {
  const items: { item: Item; path: string }[] = [];
  for (const entry of input) {
    const { path } = entry;
    const item = 'item' in entry ? entry.item : await resolveReference(entry, history);
    // The conversation is the same without earlier thinking.
    if (item === undefined) dropped.add('input.item_reference', true);
    else items.push({ item, path });
  }
  return items;
}

/** @returns undefined for thinking that is not stored. @throws {GatewayError} 404 for any other item that is not */
async function resolveReference(
  { reference, path }: Extract<InputEntry, { reference: string }>,
  history: History,
): Promise<Item | undefined> {
  const item = await history.item(reference);
  if (item !== undefined || reference.startsWith('rs_')) return item;
  const message = `Item with id '${quoted(reference)}' not found. It was not stored or is no longer stored.`;
  throw new GatewayError('not_found', message, { param: `${path}.id` });
}
