import * as common from './expected.ts';

const unauthorized = ['AuthenticationError', 401, 'error', 'authentication_error', common.wrongKey];
const unknown = (message: string): unknown[] => ['NotFoundError', 404, 'error', 'not_found_error', message];
const bad = (message: string): unknown[] => ['BadRequestError', 400, 'error', 'invalid_request_error', message];
const thinking = [
  ['thinking', common.thought, true],
  ['text', common.greeting],
];
const block = ['content_block_start', 'content_block_delta', 'content_block_stop'];
const stopped = [common.stoppedText, 'stop_sequence', ' Ollama'];

/** @returns the expected values of anthropic_sdk.py, for either upstream */
export function anthropicSdk({ utf8, available }: common.Reference): common.Expected {
  const noModel = unknown(common.noModel + available);
  return {
    message: {
      text: [utf8],
      stop: ['end_turn', null],
      is: ['message', 'assistant', 'scripted-utf8', true],
      counted: true,
    },
    message_limit: [common.cutText, 'max_tokens', 4],
    message_auth_token: common.plainText,
    stream_text: { text: utf8, 'in pieces': true, final: [utf8], stop: 'end_turn', counted: true },
    stream_events: {
      types: ['message_start', ...block, ...block, 'message_delta', 'message_stop'],
      blocks: ['thinking', 'text'],
      stop: ['end_turn'],
    },
    thinking: [thinking, thinking, thinking],
    tools_loop: { uses: [common.paris], stop: ['tool_use', 'end_turn'], text: common.weatherText },
    tools_stream: { uses: common.parallel, ids: 2, stop: 'tool_use' },
    tool_choice: [['text'], 'end_turn'],
    stop_sequences: [stopped, stopped],
    count_tokens: { same: true, more: true },
    abort: common.aborted,
    error_key: [unauthorized, unauthorized],
    error_model: [noModel, noModel, noModel],
    error_request: [bad('messages must be an array.'), bad('temperature must be a number.')],
    error_broken: ['InternalServerError', 502, 'error', 'api_error', common.broken],
    retries: { 'scripted-broken': 1, 'scripted-repeat': 3, 'llama-of-nowhere': 1 },
    error_midway: { error: ['APIStatusError', 200, 'error', 'api_error', common.incompleteText], began: true },
  };
}
