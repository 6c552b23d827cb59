import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Message, UserMessage } from '../../src/chat/request.ts';
import { settleHistory } from '../../src/chat/history/settle.ts';

const image = { base64: 'iVBORw0KGgo=' };
const system = (text: string): Message => ({ role: 'system', text });
const user = (text: string, ...images: UserMessage['images']): Message => ({ role: 'user', text, images });
const reminder = (text: string): string => `<system-reminder>\n${text}\n</system-reminder>`;
const answer = (text: string, ...calls: string[]): Message => ({
  role: 'assistant',
  text,
  reasoning: '',
  toolCalls: calls.map((call) => {
    const [id = '', name = 'f'] = call.split('=');
    return { id, name, arguments: {} };
  }),
});
const result = (callId: string, text: string, name?: string): Message => ({ role: 'tool', callId, text, name });

function settled(...messages: Message[]): readonly Message[] {
  return settleHistory({ kind: 'chat', model: 'm', sampling: {}, messages }).messages;
}

suite('settleHistory', () => {
  test('returns the same request when nothing has to be moved', () => {
    const messages = [system('s'), user('a', image), answer('', 'x', 'y'), result('x', '1'), result('y', '2')];
    const request = { kind: 'chat', model: 'm', sampling: {}, messages } as const;
    assert.equal(settleHistory(request), request);
  });

  const cases: [name: string, messages: Message[], expected: Message[]][] = [
    [
      'joins system messages at the beginning as Ollama does',
      [system('a'), system('b'), user('x')],
      [system('a\n\nb'), user('x')],
    ],
    [
      'keeps a role of one model before the system message',
      [{ role: 'other', name: 'control', text: 'thinking' }, system('a'), system('b'), user('x')],
      [{ role: 'other', name: 'control', text: 'thinking' }, system('a\n\nb'), user('x')],
    ],
    [
      "adds a later system message to the user's message before it",
      [system('a'), user('x'), system('b')],
      [system('a'), user(`x\n\n${reminder('b')}`)],
    ],
    [
      "adds a later system message to the user's message after it, if there is none before",
      [system('a'), user('x'), answer('y'), system('b'), system('c'), user('z')],
      [system('a'), user('x'), answer('y'), user(`${reminder('b')}\n\n${reminder('c')}\n\nz`)],
    ],
    [
      "makes a later system message one of the user's at the end and before an answer",
      [user('x'), answer('y'), system('b'), answer('z'), system('c')],
      [user('x'), answer('y'), user(reminder('b')), answer('z'), user(reminder('c'))],
    ],
    [
      'moves a system message from between calls and results behind them',
      [user('x'), answer('', 'c'), system('b'), result('c', '1'), user('z')],
      [user('x'), answer('', 'c'), result('c', '1'), user(`${reminder('b')}\n\nz`)],
    ],
    [
      "leaves an operator's system message where it is",
      [system('a'), user('x'), answer('y'), system('b'), { ...system('c'), isPinned: true }] as Message[],
      [system('a'), user('x'), answer('y'), user(reminder('b')), { ...system('c'), isPinned: true }] as Message[],
    ],
    ['leaves out a later system message without content', [user('x'), system('')], [user('x')]],
    [
      'moves images of tools behind all results',
      [answer('', 'c', 'd'), { ...result('c', ''), images: [image] }, result('d', '2')] as Message[],
      [answer('', 'c', 'd'), result('c', '(attached to the next message)'), result('d', '2'), user('', image)],
    ],
    [
      "moves images of tools into the user's message that follows",
      [answer('', 'c'), { ...result('c', '1'), images: [image] }, user('Well?', image)] as Message[],
      [answer('', 'c'), result('c', '1'), user('Well?', image, image)],
    ],
    [
      'moves images of system messages and of the assistant',
      [{ ...system('a'), images: [image] }, user('x'), { ...answer('y'), images: [image] }, user('z')] as Message[],
      [system('a'), user('x', image), answer('y'), user('z', image)],
    ],
    [
      'moves recordings as well',
      [answer('', 'c'), { ...result('c', ''), audio: [{ base64: 'UklG', format: 'wav', param: 'p' }] }] as Message[],
      [
        answer('', 'c'),
        result('c', '(attached to the next message)'),
        { role: 'user', text: '', images: [], audio: [{ base64: 'UklG', format: 'wav', param: 'p' }] },
      ],
    ],
  ];
  for (const [name, messages, expected] of cases) test(name, () => assert.deepEqual(settled(...messages), expected));

  const orders: [name: string, messages: Message[], expected: string[]][] = [
    [
      'puts results in the order of their calls',
      [answer('', 'c', 'd', 'e'), result('e', '3'), result('c', '1'), result('d', '2')],
      ['c,d,e', '1', '2', '3'],
    ],
    [
      'leaves calls that were made one after the other',
      [answer('', 'c'), result('c', '1'), answer('', 'd'), result('d', '2')],
      ['c', '1', 'd', '2'],
    ],
    [
      'gives each of several calling messages its results',
      [answer('', 'c'), answer('', 'd'), result('d', '2'), result('c', '1')],
      ['c', '1', 'd', '2'],
    ],
    [
      'moves a result behind its call when it comes before it',
      [result('c', '1'), user('x'), answer('', 'c')],
      ['x', 'c', '1'],
    ],
    [
      'moves a result directly behind its call',
      [answer('', 'c'), user('hurry'), result('c', '1')],
      ['c', '1', 'hurry'],
    ],
    ['keeps the place of a result without a call', [user('x'), result('z', '9'), user('y')], ['x', '9', 'y']],
    [
      'gives a result to the last call of an id that is used again',
      [answer('', 'c'), result('c', '1'), answer('', 'c'), result('c', '2')],
      ['c', '1', 'c', '2'],
    ],
    [
      'gives results of an id that one message has twice to its calls in turn',
      [answer('', 'c', 'c'), result('c', '1'), result('c', '2')],
      ['c,c', '1', '2'],
    ],
    ['joins two results of one call', [answer('', 'c'), result('c', '1'), result('c', '2')], ['c', '1\n2']],
    [
      'gives results without ids to the calls of their tools',
      [answer('', '=f', '=g'), result('', '2', 'g'), result('', '1', 'f')],
      [',', '1', '2'],
    ],
    [
      'gives results without ids and names to the calls in turn',
      [answer('', '=f', '=g'), result('', '1'), result('', '2')],
      [',', '1', '2'],
    ],
    ['handles an id named __proto__', [answer('', '__proto__'), result('__proto__', '1')], ['__proto__', '1']],
  ];
  for (const [name, messages, expected] of orders) {
    test(name, () => {
      const seen = settled(...messages).map((message) =>
        message.role === 'assistant' ? message.toolCalls.map(({ id }) => id).join(',') : message.text,
      );
      assert.deepEqual(seen, expected);
    });
  }

  test('begins the prompt of the next turn with that of the last one, when a server caches it', () => {
    const first = [system('a'), user('x'), system('b'), answer('', 'c'), { ...result('c', ''), images: [image] }];
    const next = [...first, answer('y'), system('d'), user('z')];
    const before = settled(...first);
    assert.deepEqual(settled(...next).slice(0, before.length), before);
  });

  // In quadratic time it would take more than a minute.
  test('orders 50,000 results in linear time', { timeout: 30_000 }, () => {
    const ids = Array.from({ length: 50_000 }, (_, index) => `c${index}`);
    const results = ids.map((id) => result(id, id)).toReversed();
    assert.deepEqual(
      settled(answer('', ...ids), ...results)
        .slice(1)
        .map(({ text }) => text),
      ids,
    );
    const same = ids.map(() => result('c', '1'));
    assert.equal(settled(answer('', ...ids.map(() => 'c')), ...same).length, ids.length + 1);
  });
});
