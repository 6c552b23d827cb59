import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EmbeddingInput } from '../../chat/embeddings.ts';
import type { Config } from '../../config/schema.ts';
import { invalidValue } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';

type Encoding = Exclude<Config['embeddings']['tokens'], 'refuse'>;

/** @throws {Error} for a number that is not a token */
type Decode = (tokens: Iterable<number>) => string;

/** Tokens of one text: more than a model's context, and 50 ms to decode. */
const maxTokens = 131_072;
/** Tokens that are decoded in one turn of the event loop, unless one text has more: about 5 ms. */
const tokensPerTurn = 16_384;

interface Texts {
  readonly input: readonly string[];
  /** The encoding of the tokens in the input; undefined if there were none. */
  readonly encoding: Encoding | undefined;
}

/**
 * Decodes the tokens in the input of an embeddings request. Clients such as LangChain tokenize with an encoding of OpenAI's,
 * whatever the model is.
 *
 * @param tokens the encoding to decode with
 * @throws {GatewayError} 400 for a number that is not a token, for a text with too many, and for all tokens if they are refused
 */
export async function tokenTexts(
  input: readonly EmbeddingInput[],
  tokens: Config['embeddings']['tokens'],
  { admitted, signal }: Pick<Exchange, 'admitted' | 'signal'>,
): Promise<Texts> {
  if (input.every((one) => typeof one === 'string')) return { input, encoding: undefined };
  if (tokens === 'refuse') {
    throw invalidValue('input', 'input contains token IDs, which differ between models. Send the text itself.');
  }
  const decode = await decoderOf(tokens);
  const texts: string[] = [];
  let inTurn = 0;
  for (const [index, one] of input.entries()) {
    if (typeof one === 'string') {
      texts.push(one);
      continue;
    }
    inTurn += one.length;
    if (inTurn > tokensPerTurn && index > 0) {
      await nextTurn();
      signal.throwIfAborted();
      inTurn = one.length;
    }
    const path = input.length === 1 ? 'input' : `input[${index}]`;
    if (one.length > maxTokens) throw invalidValue(path, `${path} must have at most ${maxTokens} tokens.`);
    const text = decoded(one, decode);
    if (text === undefined) throw invalidValue(path, `${path} contains a number that is not a token of ${tokens}.`);
    if (text === '') throw invalidValue(path, `${path} contains no whole character.`);
    admitted?.hold(text.length);
    texts.push(text);
  }
  return { input: texts, encoding: tokens };
}

/** The encodings are large, so each is loaded when it is first needed. */
async function decoderOf(encoding: Encoding): Promise<Decode> {
  switch (encoding) {
    case 'cl100k_base':
      return (await import('gpt-tokenizer/encoding/cl100k_base')).decode;
    case 'o200k_base':
      return (await import('gpt-tokenizer/encoding/o200k_base')).decode;
    default:
      return encoding satisfies never;
  }
}

/** @returns undefined if a number is not a token */
function decoded(tokens: readonly number[], decode: Decode): string | undefined {
  try {
    return decode(tokens);
  } catch {
    return undefined;
  }
}
