import * as common from './expected.ts';

const plainAnswer = [common.plainText, 'stop', true];
/** LiteLLM puts a prefix before the server's message. */
const litellmError = (type: string, status: number, provider: string, message: string): unknown[] => [
  type,
  status,
  `litellm.${type}: ${provider}Exception - ${message}`,
];
const json = (error: string): string => JSON.stringify({ error });

function ofEach(values: (provider: string, message: (text: string) => string) => unknown): common.Expected {
  return {
    ollama: values('Ollama', json),
    ollama_chat: values('Ollama_chat', json),
    openai: values('OpenAI', (message) => message),
  };
}

/** @returns the expected values of litellm_routes.py */
export function litellmRoutes(
  { utf8, vectors, available }: common.Reference,
  backend: common.Backend,
): common.Expected {
  const isOllama = backend === 'ollama';
  const thought = [common.thought.trim(), common.greeting];
  const tools = [[common.paris], 'tool_calls', common.weatherText];
  const badOption = isOllama
    ? { type: 'InternalServerError', status: 500, message: 'option "temperature" must be of type float32' }
    : { type: 'BadRequestError', status: 400, message: 'options.temperature must be a number.' };
  // Ollama itself ends an incomplete answer without an error.
  const requestCounts = { 'scripted-broken': 3, 'scripted-repeat': isOllama ? 1 : 3, 'llama-of-nowhere': 3 };
  return {
    complete: ofEach(() => plainAnswer),
    // Its route to /api/generate reports every end as stop.
    limit: {
      ollama: [common.cutText, 'stop'],
      ollama_chat: [common.cutText, 'length'],
      openai: [common.cutText, 'length'],
    },
    stream: ofEach(() => ({ text: utf8, finish: ['stop'], 'in pieces': true })),
    messages_stream: utf8,
    thinking: ofEach(() => thought),
    effort: ofEach(() => [common.plainText, thought, ['', common.greeting]]),
    tools_loop: { ollama_chat: tools, openai: tools },
    tools_emulated: [['get_time'], 'tool_calls'],
    tools_stream: { ollama_chat: [[common.paris], 'tool_calls'], openai: [common.parallel, 'tool_calls'] },
    embed: { ollama: vectors, openai: vectors },
    error_key: {
      ...ofEach((provider, body) => litellmError('AuthenticationError', 401, provider, body(common.wrongKey))),
      // It recognizes a wrong key by this message, and adds its prefix twice.
      openai: litellmError('AuthenticationError', 401, 'AuthenticationError: OpenAI', common.wrongKey),
    },
    error_model: ofEach((provider, body) => {
      // Its routes to Ollama use Ollama's own API.
      const message = provider === 'OpenAI' || !isOllama ? common.noModel + available : common.noModel;
      const error = litellmError('NotFoundError', 404, provider, body(message));
      return [error, error];
    }),
    // The openai package retries twice within the first of its attempts.
    retries: { ollama: requestCounts, ollama_chat: requestCounts, openai: { ...requestCounts, 'scripted-repeat': 5 } },
    error_request: {
      ...ofEach((provider, body) => litellmError(badOption.type, badOption.status, provider, body(badOption.message))),
      openai: litellmError('BadRequestError', 400, 'OpenAI', 'temperature must be a number.'),
    },
    error_midway: {
      ollama: ['MidStreamFallbackError', true],
      ollama_chat: ['BadRequestError', true],
      openai: ['MidStreamFallbackError', true],
    },
  };
}
