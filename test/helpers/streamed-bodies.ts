const messages = [{ role: 'user', content: 'hi' }];

/** A body, without a model, for each route that answers with a stream. */
export const streamedBodies = {
  '/v1/chat/completions': { messages, stream: true },
  '/v1/completions': { prompt: 'hi', stream: true },
  '/v1/responses': { input: 'hi', stream: true },
  '/v1/messages': { messages, max_tokens: 9, stream: true },
  '/api/chat': { messages },
  '/api/generate': { prompt: 'hi' },
  '/api/pull': {},
};
