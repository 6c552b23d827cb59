import type { GenerationCall, GenerationProtocol, TextStore } from '../../../chat/protocol.ts';
import type { ChatRequest } from '../../../chat/request.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { sseContentType } from '../../../framing/sse.ts';
import { openaiErrors } from '../error.ts';
import { ResponseEncoder } from './encoder.ts';
import { responseId } from './ids.ts';
import type { InputEntry } from './input.ts';
import type { Item } from './items.ts';
import { History, StoredResponses } from './stored-responses.ts';
import { toMessages } from './messages.ts';
import { type ReadResponse, readResponse } from './request.ts';
import { type ResponseBody, toResponse } from './response.ts';

export { responseResources } from './resources.ts';

const droppable = (
  'include.reasoning.encrypted_content input.content.detail input.content.prompt_cache_breakpoint ' +
  'input.custom_tool_call input.custom_tool_call_output input.encrypted_content input.item_reference ' +
  'input.local_shell_call input.local_shell_call_output input.output.input_image input.phase input.web_search_call ' +
  'client_metadata context_management max_tool_calls prompt_cache_options top_logprobs ' +
  'text.verbosity tools.code_interpreter tools.computer_use_preview tools.custom tools.file_search ' +
  'tools.image_generation tools.local_shell tools.mcp tools.namespace tools.strict tools.web_search ' +
  'tools.web_search_preview'
).split(' ');

/**
 * `POST /v1/responses`.
 *
 * @param keeper of the responses that may be continued and asked for again
 * @see https://platform.openai.com/docs/api-reference/responses
 */
export function responses(keeper: TextStore): GenerationProtocol {
  return {
    path: '/v1/responses',
    idPrefix: 'resp_',
    contentType: sseContentType,
    errors: openaiErrors,
    fieldNames: {
      messages: 'input',
      'messages.content.image_url': 'input.content.image_url',
      reasoning_effort: 'reasoning.effort',
      response_format: 'text.format.schema',
      truncate: 'truncation',
    },
    droppable,
    read: async (body, owner) => await call(readResponse(body), new StoredResponses(keeper, owner)),
  };
}

/** @throws {GatewayError} 400 for an earlier response or an item that is not known */
async function call(read: ReadResponse, kept: StoredResponses): Promise<GenerationCall> {
  const { echo, ledger, stream, hideThinking } = read;
  const history = new History(kept);
  const before = read.previous === undefined ? [] : await history.before(read.previous);
  const input = await resolved(read.input, history, read);
  const messages = [
    ...read.instructions,
    ...toMessages([...before.map((item) => ({ item, path: 'previous_response_id' })), ...input]),
  ];
  if (messages.length === 0) throw invalidValue('input', 'input contains nothing that can be sent to a model.');
  const request: ChatRequest = { ...read.request, messages };
  const keep = (response: ResponseBody): void => {
    if (!read.store) return;
    kept.put(
      response,
      input.map(({ item }) => item),
    );
  };
  return {
    requests: [request],
    stream,
    hideThinking,
    dropped: ledger.dropped,
    encoder: (head) => new ResponseEncoder(head, echo, keep),
    respond([result], { usage }, head) {
      if (result === undefined) throw new Error('The answer has no result.');
      const response = toResponse(responseId(head.id), head, echo, result, usage);
      keep(response);
      return response;
    },
  };
}

/** The items of the input, with those it only refers to. @throws {GatewayError} 404 for one that is not known */
async function resolved(
  entries: readonly InputEntry[],
  history: History,
  { ledger }: ReadResponse,
): Promise<{ readonly item: Item; readonly path: string }[]> {
  const items: { item: Item; path: string }[] = [];
  for (const entry of entries) {
    if ('item' in entry) {
      items.push(entry);
      continue;
    }
    const { path, reference } = entry;
    const item = await history.item(reference);
    if (item !== undefined) items.push({ item, path });
    // Without earlier thinking the conversation is still the same.
    else if (reference.startsWith('rs_')) ledger.note('input.item_reference', true);
    else {
      const known = reference.length <= 256 ? ` with id '${reference}'` : '';
      throw new GatewayError('not_found', `Item${known} not found. It was not stored or is no longer stored.`, {
        param: `${path}.id`,
      });
    }
  }
  return items;
}
