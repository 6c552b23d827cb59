import * as say from './expected.ts';

const said = [say.plainText, 'stop', true];
/** LiteLLM's own words before those of the server. */
const told = (type: string, status: number, provider: string, message: string): unknown[] => [
  type,
  status,
  `litellm.${type}: ${provider}Exception - ${message}`,
];
const json = (error: string): string => JSON.stringify({ error });

function ofEach(values: (provider: string, message: (text: string) => string) => unknown): say.Expected {
  return {
    ollama: values('Ollama', json),
    ollama_chat: values('Ollama_chat', json),
    openai: values('OpenAI', (message) => message),
  };
}

/** What litellm_routes.py is to print. */
export function litellmRoutes({ utf8, vectors }: say.Truth, behind: say.Behind): say.Expected {
  const own = behind === 'ollama';
  const thought = [say.thought.trim(), say.greeting];
  const tools = [[say.paris], 'tool_calls', say.weatherText];
  const unread = own
    ? { type: 'InternalServerError', status: 500, message: 'option "temperature" must be of type float32' }
    : { type: 'BadRequestError', status: 400, message: 'options.temperature must be a number from 0 to 2.' };
  // Ollama ends an answer that it breaks off as if it were whole.
  const brokenOff = { 'scripted-broken': 3, 'scripted-repeat': own ? 1 : 3, 'llama-of-nowhere': 3 };
  return {
    complete: ofEach(() => said),
    // Its route to /api/generate takes any end for a stop.
    limit: { ollama: [say.cutText, 'stop'], ollama_chat: [say.cutText, 'length'], openai: [say.cutText, 'length'] },
    stream: ofEach(() => ({ text: utf8, finish: ['stop'], 'in pieces': true })),
    messages_stream: utf8,
    thinking: ofEach(() => thought),
    tools_loop: { ollama_chat: tools, openai: tools },
    tools_emulated: [['get_time'], 'tool_calls'],
    tools_stream: { ollama_chat: [[say.paris], 'tool_calls'], openai: [say.parallel, 'tool_calls'] },
    embed: { ollama: vectors, openai: vectors },
    error_key: {
      ...ofEach((provider, body) => told('AuthenticationError', 401, provider, body(say.wrongKey))),
      // By these words of OpenAI's it tells a wrong key from a bad request, and it says it twice.
      openai: told('AuthenticationError', 401, 'AuthenticationError: OpenAI', say.wrongKey),
    },
    error_model: ofEach((provider, body) => {
      const error = told('NotFoundError', 404, provider, body(say.noModel));
      return [error, error];
    }),
    // The openai package tries twice more within the first of its attempts.
    retries: { ollama: brokenOff, ollama_chat: brokenOff, openai: { ...brokenOff, 'scripted-repeat': 5 } },
    error_request: {
      ...ofEach((provider, body) => told(unread.type, unread.status, provider, body(unread.message))),
      openai: told('BadRequestError', 400, 'OpenAI', 'temperature must be a number from 0 to 2.'),
    },
    error_midway: {
      ollama: ['MidStreamFallbackError', true],
      ollama_chat: ['BadRequestError', true],
      openai: ['MidStreamFallbackError', true],
    },
  };
}
