// Prints the error of the token counts that llamaduct estimates: npm run tokens
import { encode as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { encode as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import { encode as p50k } from 'gpt-tokenizer/encoding/p50k_base';
import { type Errors, type Tokenize, conversationErrors, errorsByKind } from './measure.ts';

const vocabularies: Readonly<Record<string, Tokenize>> = {
  'o200k (200,000 tokens, as gpt-oss)': (text) => o200k(text).length,
  'cl100k (100,000 tokens)': (text) => cl100k(text).length,
  'p50k (50,000 tokens, of 2021)': (text) => p50k(text).length,
};

const percent = (error: number): string => `${(error * 100).toFixed(0)} %`;
const row = (name: string, { median, under, over }: Errors): string =>
  `| ${name} | ${percent(median)} | ${percent(under)} | ${percent(over)} |`;

for (const [name, tokenize] of Object.entries(vocabularies)) {
  const { long, short, unlearned } = conversationErrors(tokenize);
  console.log(`\n| ${name} | median error | largest under | largest over |\n| --- | --- | --- | --- |`);
  console.log(row('prompts of coding agents, more than 4,000 tokens', long));
  console.log(row('the same at four characters a token', unlearned));
  console.log(row('shorter prompts', short));
  for (const [kind, errors] of errorsByKind(tokenize)) console.log(row(`only ${kind}`, errors));
}
