import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Anthropic } from '@anthropic-ai/sdk';
import { MessageEncoder } from '../../../src/protocols/anthropic/messages/encoder.ts';

const minute = 60_000;
const finish = {
  type: 'finish',
  reason: 'tool_calls',
  usage: { inputTokens: 7, outputTokens: 5 },
  timings: {},
} as const;

/** An encoder whose clock a test moves. */
function encoderAt(): { encoder: MessageEncoder; wait: (milliseconds: number) => string } {
  let clock = 0;
  const head = { id: 'msg_1', created: 1, model: 'm', arrivedAt: 0, now: () => clock };
  const encoder = new MessageEncoder(head, 9);
  /** Returns the heartbeats of this time, one every ten seconds. */
  const wait = (milliseconds: number): string => {
    let text = '';
    for (const end = clock + milliseconds; clock < end; clock += 10_000) text += encoder.keepAlive();
    return text;
  };
  return { encoder, wait };
}

/** @returns the names of the events that Anthropic's SDK yields, and the message that it assembles */
async function read(text: string): Promise<{ yielded: string[]; message: Anthropic.Message }> {
  const client = new Anthropic({
    apiKey: 'none',
    fetch: () => Promise.resolve(new Response(text, { headers: { 'content-type': 'text/event-stream' } })),
  });
  const yielded: string[] = [];
  const stream = client.messages.stream({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] });
  stream.on('streamEvent', ({ type }) => void yielded.push(type));
  return { message: await stream.finalMessage(), yielded };
}

suite('a client that gives up after five minutes in which its SDK yields no event', () => {
  test('sees one at least every two minutes of a long wait, none of them in a short one', async () => {
    const { encoder, wait } = encoderAt();
    assert.doesNotMatch(wait(2 * minute), /message_delta/);
    const { encoder: other, wait: waitLong } = encoderAt();
    const text = waitLong(10 * minute) + other.write({ type: 'text', text: 'Hello' }) + other.write(finish);
    const { message, yielded } = await read(text + other.end(finish));
    assert.ok(yielded.filter((type) => type === 'message_delta').length >= 5, yielded.join());
    assert.equal(yielded[0], 'message_start');
    assert.deepEqual(message.content, [{ type: 'text', text: 'Hello' }]);
    assert.deepEqual(
      [message.stop_reason, message.usage.input_tokens, message.usage.output_tokens],
      ['tool_use', 7, 5],
    );
    assert.match(encoder.keepAlive(), /^event: /);
  });

  test('sees an empty delta with each heartbeat while a block is open, and none of the message', async () => {
    const { encoder, wait } = encoderAt();
    const text = encoder.write({ type: 'reasoning', text: 'Hm' }) + wait(5 * minute) + encoder.write(finish);
    const { message, yielded } = await read(text + encoder.end(finish));
    assert.ok(yielded.filter((type) => type === 'content_block_delta').length > 30);
    assert.equal(yielded.filter((type) => type === 'message_delta').length, 1);
    assert.deepEqual(
      message.content.map((block) => block.type === 'thinking' && block.thinking),
      ['Hm'],
    );
  });

  test('sees events of the message between two tool calls that are far apart', async () => {
    const { encoder, wait } = encoderAt();
    const call = { type: 'tool-call', name: 'save', arguments: '{}' } as const;
    let text = encoder.write({ ...call, id: 'a' }) + wait(5 * minute);
    text += encoder.write({ ...call, id: 'b' }) + encoder.write(finish);
    const { message, yielded } = await read(text + encoder.end(finish));
    assert.equal(yielded.filter((type) => type === 'message_delta').length, 3);
    assert.deepEqual(
      message.content.map((block) => block.type === 'tool_use' && block.id),
      ['a', 'b'],
    );
  });
});
