import * as say from './expected.ts';

const unauthorized = ['AuthenticationError', 401, 'error', 'authentication_error', say.wrongKey];
const unknown = ['NotFoundError', 404, 'error', 'not_found_error', say.noModel];
const bad = (message: string): unknown[] => ['BadRequestError', 400, 'error', 'invalid_request_error', message];
const thinking = [
  ['thinking', say.thought, true],
  ['text', say.greeting],
];
const block = ['content_block_start', 'content_block_delta', 'content_block_stop'];
const stopped = [say.stoppedText, 'stop_sequence', ' Ollama'];

/** What anthropic_sdk.py is to print, whatever is behind llamaduct. */
export function anthropicSdk({ utf8 }: say.Truth): say.Expected {
  return {
    message: {
      text: [utf8],
      stop: ['end_turn', null],
      is: ['message', 'assistant', 'scripted-utf8', true],
      counted: true,
    },
    message_limit: [say.cutText, 'max_tokens', 4],
    message_auth_token: say.plainText,
    stream_text: { text: utf8, 'in pieces': true, final: [utf8], stop: 'end_turn', counted: true },
    stream_events: {
      types: ['message_start', ...block, ...block, 'message_delta', 'message_stop'],
      blocks: ['thinking', 'text'],
      stop: ['end_turn'],
    },
    thinking: [thinking, thinking, thinking],
    tools_loop: { uses: [say.paris], stop: ['tool_use', 'end_turn'], text: say.weatherText },
    tools_stream: { uses: say.parallel, ids: 2, stop: 'tool_use' },
    tool_choice: [['text'], 'end_turn'],
    stop_sequences: [stopped, stopped],
    count_tokens: { same: true, more: true },
    abort: say.aborted,
    error_key: [unauthorized, unauthorized],
    error_model: [unknown, unknown, unknown],
    error_request: [bad('messages must be an array.'), bad('max_tokens must be a whole number of at least 1.')],
    error_broken: ['InternalServerError', 502, 'error', 'api_error', say.broken],
    retries: { 'scripted-broken': 1, 'scripted-repeat': 3, 'llama-of-nowhere': 1 },
    error_midway: { error: ['APIStatusError', 200, 'error', 'api_error', say.incompleteText], began: true },
  };
}
