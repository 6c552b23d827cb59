import * as common from './expected.ts';

const unauthorized = ['AuthenticationError', 401, 'invalid_request_error', 'invalid_api_key', null, common.wrongKey];
const unknown = (message: string): unknown[] => [
  'NotFoundError',
  404,
  'invalid_request_error',
  'model_not_found',
  'model',
  message,
];
const bad = (param: string, message: string): unknown[] => [
  'BadRequestError',
  400,
  'invalid_request_error',
  null,
  param,
  message,
];

/** @returns the expected values of openai_sdk.py, for either upstream */
export function openaiSdk({ available, utf8, vectors }: common.Reference): common.Expected {
  return {
    chat: { text: utf8, finish: 'stop', model: 'scripted-utf8', counted: true, total: 0 },
    chat_limit: [common.cutText, 'length', 4],
    chat_stream: { text: utf8, finish: ['stop'], 'in pieces': true, 'one id': true, counted: true },
    chat_thinking: { thinking: common.thought, text: common.greeting },
    chat_tools_loop: {
      finish: ['tool_calls', 'stop'],
      calls: [['function', ...common.paris]],
      text: common.weatherText,
    },
    chat_tools_stream: { finish: 'tool_calls', calls: common.parallel, ids: 2 },
    chat_parse: common.alice,
    chat_abort: common.aborted,
    responses: {
      status: 'completed',
      text: common.greeting,
      items: ['reasoning', 'message'],
      id: true,
      counted: true,
    },
    responses_limit: ['incomplete', 'max_output_tokens', 16],
    responses_stream: {
      types: [
        'response.created',
        'response.in_progress',
        'response.output_item.added',
        'response.content_part.added',
        'response.output_text.delta',
        'response.output_text.done',
        'response.content_part.done',
        'response.output_item.done',
        'response.completed',
      ],
      numbers: true,
      text: utf8,
      whole: utf8,
      'in pieces': true,
    },
    responses_tools_loop: { calls: [[...common.paris, 'completed']], text: [common.weatherText, common.weatherText] },
    responses_tools_stream: { arguments: common.parallel.map(([, each]) => each), calls: common.parallel },
    responses_parse: common.alice,
    responses_conversation: {
      grows: true,
      previous: true,
      stored: true,
      inputs: ['And now?'],
      deleted: ['NotFoundError', 404, 'invalid_request_error'],
    },
    conversations: {
      conversation: true,
      roles: ['user', 'user', 'assistant'],
      metadata: [{ topic: 'names' }, { topic: 'other' }],
      deleted: ['conversation.deleted', true],
      gone: ['NotFoundError', 404, 'invalid_request_error'],
    },
    responses_unknown_previous: [
      'BadRequestError',
      400,
      'invalid_request_error',
      'previous_response_not_found',
      'previous_response_id',
      "Previous response with id 'resp_0' not found.",
    ],
    responses_unknown: [
      'NotFoundError',
      404,
      'invalid_request_error',
      'not_found',
      null,
      "Response with id 'resp_0' not found.",
    ],
    responses_abort: common.aborted,
    models: ['scripted-plain', true, true],
    embeddings: { lengths: vectors.map(({ length }) => length), same: true, vectors, counted: true },
    error_key: [unauthorized, unauthorized, unauthorized],
    error_model: [
      unknown(common.noModel + available),
      unknown(common.noModel + available),
      unknown(common.noModel + available),
      unknown(common.noModelToEmbed + available),
    ],
    error_request: [bad('messages', 'messages must be an array.'), bad('input', 'input must be an array.')],
    error_broken: ['InternalServerError', 502, 'server_error', 'model_load_failed', null, common.broken],
    retries: { 'scripted-broken': 1, 'scripted-repeat': 3, 'llama-of-nowhere': 1 },
    error_midway: {
      error: ['APIError', null, 'server_error', 'upstream_incomplete', null, common.incompleteText],
      began: true,
    },
  };
}
