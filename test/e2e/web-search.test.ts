import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { Anthropic } from '@anthropic-ai/sdk';
import { ApiError, type GenerateContentResponse, GoogleGenAI } from '@google/genai';
import { generateText, streamText } from 'ai';
import { BadRequestError, OpenAI } from 'openai';
import { secret } from '../helpers/gateway.ts';
import { type Setup, start } from '../search/helpers.ts';
import { search } from '../search/origin.ts';

const url = 'https://example.org/llama';
const turns = [{ text: 'Let me look.', calls: [search('llama')] }, { text: `A camelid: ${url}` }];
const model = 'scripted-plain';

const openai = ({ gateway }: Setup): OpenAI =>
  new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
const anthropic = ({ gateway }: Setup): Anthropic =>
  new Anthropic({ baseURL: gateway.url, apiKey: secret, maxRetries: 0 });

suite('the Anthropic SDK', () => {
  const request = {
    model,
    max_tokens: 99,
    messages: [{ role: 'user' as const, content: 'What is a llama?' }],
    tools: [{ type: 'web_search_20250305' as const, name: 'web_search' as const, max_uses: 3 }],
  };
  for (const stream of [false, true]) {
    test(`gets the blocks of a search, stream ${stream}, and sends them back`, async () => {
      await using setup = await start({ turns });
      const { messages } = anthropic(setup);
      const message = stream ? await messages.stream(request).finalMessage() : await messages.create(request);
      assert.deepEqual(
        message.content.map(({ type }) => type),
        ['text', 'server_tool_use', 'web_search_tool_result', 'text'],
      );
      const [, use, result] = message.content;
      assert.ok(use?.type === 'server_tool_use' && result?.type === 'web_search_tool_result');
      assert.deepEqual([use.input, result.tool_use_id], [{ query: 'llama' }, use.id]);
      assert.ok(Array.isArray(result.content));
      assert.deepEqual(result.content[0]?.url, url);
      assert.deepEqual(message.usage.server_tool_use, { web_search_requests: 1, web_fetch_requests: 0 });
      assert.equal(message.stop_reason, 'end_turn');
      const history = [...request.messages, { role: 'assistant' as const, content: message.content }];
      await messages.create({ ...request, messages: [...history, { role: 'user', content: 'And?' }] });
      assert.match(setup.asked().at(-1)?.messages[2]?.content ?? '', /A llama is a camelid/);
    });
  }

  test('shows that there is no search', async () => {
    await using setup = await start({ turns, search: false });
    const message = await anthropic(setup).messages.stream(request).finalMessage();
    const [, result, text] = message.content;
    assert.ok(result?.type === 'web_search_tool_result' && !Array.isArray(result.content) && text?.type === 'text');
    assert.equal(result.content.error_code, 'unavailable');
    assert.match(text.text, /nothing was searched/);
  });
});

suite('the OpenAI SDK', () => {
  const request = { model, input: 'What is a llama?', tools: [{ type: 'web_search' as const }] };

  test('gets the items, events and citations of a response that searches', async () => {
    await using setup = await start({ turns });
    const whole = await openai(setup).responses.create(request);
    assert.deepEqual(
      whole.output.map(({ type }) => type),
      ['message', 'web_search_call', 'message'],
    );
    await using streamed = await start({ turns });
    const types: string[] = [];
    const stream = openai(streamed).responses.stream(request);
    for await (const event of stream) types.push(event.type);
    const last = await stream.finalResponse();
    const plain = (value: unknown): string => JSON.stringify(value).replaceAll(/"id":"[^"]*"/g, '');
    // The SDK adds what it parsed.
    assert.equal(plain(last.output).replaceAll(/,?"parsed":null/g, ''), plain(whole.output));
    assert.deepEqual(
      types.filter((type) => type.includes('web_search') || type.includes('annotation')),
      [
        'response.web_search_call.in_progress',
        'response.web_search_call.searching',
        'response.web_search_call.completed',
        'response.output_text.annotation.added',
      ],
    );
    const [, , answer] = last.output;
    assert.ok(answer?.type === 'message' && answer.content[0]?.type === 'output_text');
    const [citation] = answer.content[0].annotations;
    assert.ok(citation?.type === 'url_citation');
    assert.equal(answer.content[0].text.slice(citation.start_index, citation.end_index), url);
  });

  test('gets the citations of a chat completion that searches', async () => {
    await using setup = await start({ turns });
    const chat = { model, messages: [{ role: 'user' as const, content: 'What is a llama?' }], web_search_options: {} };
    const { choices } = await openai(setup).chat.completions.create(chat);
    const message = choices[0]?.message;
    const cited = message?.annotations?.[0]?.url_citation;
    assert.equal(message?.content?.slice(cited?.start_index, cited?.end_index), url);
    await using streamed = await start({ turns });
    const final = await openai(streamed).chat.completions.stream(chat).finalChatCompletion();
    assert.equal(final.choices[0]?.message.content, message?.content);
    assert.equal(final.choices[0]?.finish_reason, 'stop');
  });

  test('shows that there is no search', async () => {
    await using setup = await start({ turns, search: false });
    await assert.rejects(openai(setup).responses.create(request), (error) => {
      return error instanceof BadRequestError && /Web search is not available on this server/.test(error.message);
    });
  });
});

suite('the AI SDK', () => {
  test('gets the sources of a response that searches, whole and streamed', async () => {
    for (const stream of [false, true]) {
      await using setup = await start({ turns });
      const provider = createOpenAI({ baseURL: `${setup.gateway.url}/v1`, apiKey: secret });
      const options = {
        model: provider(model),
        prompt: 'What is a llama?',
        tools: { web_search: provider.tools.webSearch({}) },
        maxRetries: 0,
      };
      const result = stream ? streamText(options) : await generateText(options);
      assert.match(await result.text, /A camelid/);
      const sources = await result.sources;
      assert.ok(sources.some((source) => source.sourceType === 'url' && source.url === url));
    }
  });
});

suite("Google's SDK", () => {
  const request = { model, contents: 'What is a llama?', config: { tools: [{ googleSearch: {} }] } };
  const google = ({ gateway }: Setup): GoogleGenAI =>
    new GoogleGenAI({ apiKey: secret, httpOptions: { baseUrl: gateway.url } });

  for (const stream of [false, true]) {
    test(`gets what an answer is based on, stream ${stream}`, async () => {
      await using setup = await start({ turns });
      const { models } = google(setup);
      const chunks: GenerateContentResponse[] = [];
      if (stream) for await (const chunk of await models.generateContentStream(request)) chunks.push(chunk);
      else chunks.push(await models.generateContent(request));
      const text = chunks.map((chunk) => chunk.text ?? '').join('');
      assert.equal(text, `Let me look.\n\nA camelid: ${url}`);
      const grounding = chunks.at(-1)?.candidates?.[0]?.groundingMetadata;
      assert.deepEqual(grounding?.webSearchQueries, ['llama']);
      const [support] = grounding.groundingSupports ?? [];
      const index = support?.groundingChunkIndices?.[0] ?? -1;
      assert.deepEqual(grounding.groundingChunks?.[index]?.web, { uri: url, title: 'Llamas' });
      const bytes = Buffer.from(text).subarray(support?.segment?.startIndex, support?.segment?.endIndex);
      assert.equal(bytes.toString(), url);
    });
  }

  test('shows that there is no search', async () => {
    await using setup = await start({ turns, search: false });
    await assert.rejects(google(setup).models.generateContent(request), (error) => {
      return error instanceof ApiError && error.status === 400 && /not available on this server/.test(error.message);
    });
  });
});
