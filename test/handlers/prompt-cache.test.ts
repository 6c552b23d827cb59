import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { suite, test } from 'node:test';
import { ending, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

// Servers keep the last prompt of a conversation, and evaluate only what a longer one has after it. They evaluate everything again
// if anything before differs, or if another server gets the request.

interface Conversation {
  readonly agent: string;
  readonly path: string;
  readonly requests: readonly Record<string, unknown>[];
}

const folder = new URL('../fixtures/agents/', import.meta.url);
const conversations = readdirSync(folder).map(
  (file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Conversation,
);

const kinds = {
  ollama: async () => await fakeUpstream(plainAnswer(), ['player:latest']),
  openai: async () => await openaiUpstream(saying('Hello'), ['player']),
};

interface Prompt {
  /** The JSON of each message. */
  readonly messages: readonly string[];
  readonly tools: string;
}

/** Sends the requests of a conversation through a gateway with two servers. @returns the prompts that each server got */
async function promptsOf(
  kind: keyof typeof kinds,
  { path, requests }: Conversation,
  change: (body: Record<string, unknown>, turn: number) => object = (body) => body,
): Promise<Prompt[][]> {
  const [one, other] = [await kinds[kind](), await kinds[kind]()];
  const gateway = await testGateway([
    { name: 'one', kind, url: one.url },
    { name: 'other', kind, url: other.url },
  ]);
  await using _other = other;
  await using _ends = ending(gateway, one);
  for (const [turn, body] of requests.entries()) {
    const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify(change(body, turn)) });
    const text = await response.text();
    assert.equal(response.status, 200, text);
  }
  return [one, other].map((server) =>
    server.requests
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => JSON.parse(body) as { messages?: unknown[]; tools?: unknown })
      .flatMap(({ messages, tools }) =>
        messages === undefined
          ? []
          : [{ messages: messages.map((message) => JSON.stringify(message)), tools: JSON.stringify(tools) }],
      ),
  );
}

function assertPrefixes(prompts: readonly Prompt[]): void {
  for (const [index, { messages }] of prompts.entries()) {
    const next = prompts[index + 1];
    if (next === undefined) return;
    assert.deepEqual(next.messages.slice(0, messages.length), messages, `turn ${index + 1}`);
    assert.ok(next.messages.length > messages.length, `turn ${index + 1}`);
  }
}

for (const kind of ['ollama', 'openai'] as const) {
  suite(`the prompts of consecutive turns, over ${kind}`, () => {
    for (const conversation of conversations) {
      test(`of ${conversation.agent} begin with those before, on one server`, async () => {
        const servers = await promptsOf(kind, conversation);
        const used = servers.filter(({ length }) => length > 0);
        assert.deepEqual(
          used.map(({ length }) => length),
          [conversation.requests.length],
        );
        assertPrefixes(used[0] ?? []);
      });
    }

    test('of Claude Code begin with those before, although the line for billing differs', async () => {
      const conversation = conversations.find(({ path }) => path === '/v1/messages');
      assert.ok(conversation);
      const withLine = (body: Record<string, unknown>, turn: number): object => {
        const line = `x-anthropic-billing-header: cc_version=2.1.332.${turn}; cc_entrypoint=cli; cch=${turn}a${turn};`;
        return { ...body, system: [{ type: 'text', text: line }, ...(body['system'] as object[]).slice(1)] };
      };
      const servers = await promptsOf(kind, conversation, withLine);
      const used = servers.filter(({ length }) => length > 0);
      assert.equal(used.length, 1);
      assertPrefixes(used[0] ?? []);
      assert.doesNotMatch(JSON.stringify(used), /x-anthropic-billing-header|cch=/);
    });

    test('of Claude Code have the same tools until its search finds others', async () => {
      const conversation = conversations.find(({ path }) => path === '/v1/messages');
      assert.ok(conversation);
      const prompts = (await promptsOf(kind, conversation)).flat();
      const offered = [...new Set(prompts.map(({ tools }) => tools))];
      const isFound = (body: unknown): boolean => JSON.stringify(body).includes('"type":"tool_reference"');
      assert.equal(offered.length, conversation.requests.some(isFound) ? 2 : 1);
      assert.doesNotMatch(offered.join(), /DeferredToolPlaceholder/);
    });
  });
}
