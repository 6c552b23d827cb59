import { z } from 'zod';
import { timeout } from './values.ts';

/** `web_search`: the server that searches the web for models. */
export const webSearch = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as http://127.0.0.1:8080' })
    .refine((text) => !/[?#]/.test(text), 'expected a URL without a query string or fragment')
    .refine((text) => {
      const { username = '', password = '' } = URL.parse(text) ?? {};
      return username === '' && password === '';
    }, 'expected a URL without a user name or password: set key_env')
    .describe(
      'Address of the search server. It may be in a private network. For kind ollama, the address of an Ollama server that is signed in, or https://ollama.com.',
    ),
  kind: z
    .enum(['searxng', 'ollama'])
    .describe(
      'The API of the search server. searxng: its JSON format must be enabled. ollama: the web search of Ollama.',
    ),
  key_env: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'expected the name of an environment variable')
    .optional()
    .describe('Name of the environment variable with the API key, which is sent as a bearer token.'),
  results: z.int().min(1).max(20).default(5).describe('Results of one search that the model gets.'),
  timeout: timeout.prefault('10s').describe('Time for one search, including redirects.'),
  uses: z
    .int()
    .min(1)
    .max(50)
    .default(5)
    .describe('Maximum number of searches for one answer. A request may ask for fewer.'),
});
