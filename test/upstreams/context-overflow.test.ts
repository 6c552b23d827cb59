import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { contextError, isContextOverflow } from '../../src/upstreams/context-overflow.ts';
import { statusError as ollamaError } from '../../src/upstreams/ollama/error.ts';
import { statusError as openaiError } from '../../src/upstreams/openai/error.ts';

type Sizes = readonly [prompt?: number | undefined, context?: number];

const tooLong: readonly (readonly [text: string, ...Sizes])[] = [
  ['prompt too long; exceeded max context length by 777 tokens'],
  ['the input length exceeds the context length'],
  ['the prompt is longer than the context length currently available to the model; shorten the prompt'],
  ["input length (9000 tokens) exceeds the model's maximum context length (8192 tokens)", 9000, 8192],
  ['input exceeds maximum context length and cannot be truncated further'],
  ['request (9321 tokens) exceeds the available context size (8192 tokens), try increasing it', 9321, 8192],
  ['the request exceeds the available context size. try increasing the context size or enable context shift'],
  ['Context size has been exceeded.'],
  ['input (700 tokens) is too large to process. increase the physical batch size (current batch size: 512)', 700, 512],
  ['input (700 tokens) is larger than the max context size (512 tokens). skipping', 700, 512],
  ["This model's maximum context length is 8192 tokens. However, your request has 9001 input tokens.", 9001, 8192],
  [
    "This model's maximum context length is 32768 tokens. However, you requested 0 output tokens and your prompt contains at least 32769 input tokens, for a total of at least 32769 tokens.",
    32_769,
    32_768,
  ],
  ['The decoder prompt (length 9001) is longer than the maximum model length of 8192.', 9001, 8192],
  ['max_tokens must be at least 1, got -809.'],
  ["The input (9001 tokens) is longer than the model's context length (8192 tokens).", 9001, 8192],
  ['`inputs` must have less than 1024 tokens. Given: 3000', 3000, 1024],
  ['prompt is too long: 210000 tokens > 200000 maximum', 210_000, 200_000],
  ['the prompt is too long: 40960, model maximum context length: 32768', 40_960, 32_768],
  ['The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).', 1_048_577, 1_048_576],
  [
    'Prompt contains 33000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
    33_000,
    32_768,
  ],
  ['Requested tokens (4348) exceed context window of 4096', 4348, 4096],
  [
    'Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens',
    5000,
    4096,
  ],
  ["This model's maximum prompt length is 131,072 but the request contains 537,812 tokens.", 537_812, 131_072],
  ['prompt token count of 140000 exceeds the limit of 128000', 140_000, 128_000],
  ['Your request exceeded model token limit: 131072', undefined, 131_072],
  ['Input is too long for requested model.'],
  ['Prompt length 9001 is greater than max_seq_len 8192'],
  ['Input length (9001) + max_new_tokens(10) exceeds session_len 8192', 9001],
  ['INPUT_LENGTH_ERROR: the input is longer than session_len'],
  ['litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException - prompt too big'],
  ['failed to process inputs: input is larger than the context'],
  ['Please reduce the length of the messages or completion.'],
];

const outputTooLong: readonly (readonly [text: string, prompt: number, output: number, context: number])[] = [
  [
    "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 8192 tokens and your request has 4000 input tokens (5000 > 8192 - 4000).",
    4000,
    5000,
    8192,
  ],
  [
    "This model's maximum context length is 128000 tokens. However, you requested 65535 output tokens and your prompt contains at least 62466 input tokens, for a total of at least 128001 tokens.",
    62_466,
    65_535,
    128_000,
  ],
  [
    "This model's maximum context length is 4097 tokens, however you requested 4927 tokens (3927 in your prompt; 1000 for the completion).",
    3927,
    1000,
    4097,
  ],
  [
    "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of 9000 tokens: 8000 tokens from the input messages and 1000 tokens for the completion.",
    8000,
    1000,
    8192,
  ],
  [
    '`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 1000 `max_new_tokens`',
    4000,
    1000,
    4096,
  ],
  ['input length and `max_tokens` exceed context limit: 188059 + 20000 > 200000', 188_059, 20_000, 200_000],
];

suite('an error for a prompt that is too long', () => {
  for (const [text, prompt, context] of tooLong) {
    test(`is recognised: ${text.slice(0, 70)}`, () => {
      const error = contextError(text);
      assert.ok(isContextOverflow(text));
      assert.equal(error.code, 'context_length_exceeded');
      assert.deepEqual([error.sizes?.prompt, error.sizes?.context], [prompt, context]);
    });
  }

  test('is recognised by its type, and reports the sizes of its fields', () => {
    const error = { message: 'No.', type: 'exceed_context_size_error', n_prompt_tokens: 1407, n_ctx: 256 };
    for (const read of [ollamaError, openaiError]) {
      for (const body of [{ error }, { error: JSON.stringify({ error }) }]) {
        const { code, sizes } = read(400, JSON.stringify(body));
        assert.deepEqual([code, sizes], ['context_length_exceeded', { prompt: 1407, context: 256 }]);
      }
    }
  });

  for (const text of [
    'option "num_ctx" must be of type integer',
    'Request entity too large',
    'The input image is too large',
    'max_tokens is too large: 65535. This model supports at most 16384 completion tokens',
    'temperature must be at most 2',
    'invalid message content type',
  ]) {
    test(`is something else than: ${text}`, () => assert.ok(!isContextOverflow(text)));
  }
});

suite('an error for an answer that would be too long', () => {
  for (const [text, prompt, output, context] of outputTooLong) {
    test(`is recognised: ${text.slice(0, 70)}`, () => {
      const error = openaiError(400, JSON.stringify({ error: { message: text } }));
      assert.deepEqual([error.code, error.status, error.param], ['max_tokens_too_large', 400, 'max_tokens']);
      assert.deepEqual(error.sizes, { prompt, output, context });
    });
  }
});
