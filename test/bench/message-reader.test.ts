import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageReader } from './message-reader.ts';

describe('the HTTP message reader', () => {
  const read = (text: string, size: number): string[] => {
    const seen: string[] = [];
    let body = '';
    const reader = messageReader({
      head: (head) => seen.push(head.split('\r\n', 1)[0] ?? ''),
      body: (chunk) => (body += chunk),
      end: () => {
        seen.push(body);
        body = '';
      },
    });
    for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size));
    seen.push(reader.close() ? 'cut off' : 'complete');
    return seen;
  };

  it('reads every kind of framing, however the bytes are cut', () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n';
    const sized = 'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello';
    const empty = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
    const open = 'HTTP/1.1 202 Accepted\r\n\r\nto the end';
    for (const size of [1, 2, 5, 1000]) {
      assert.deepEqual(read(chunked + sized + empty + open, size), [
        'HTTP/1.1 200 OK',
        'abc0123456789',
        'HTTP/1.1 201 Created',
        'hello',
        'GET /a HTTP/1.1',
        '',
        'HTTP/1.1 202 Accepted',
        'to the end',
        'complete',
      ]);
      assert.equal(read(chunked.slice(0, -3), size).at(-1), 'cut off');
      assert.equal(read(sized.slice(0, -1), size).at(-1), 'cut off');
    }
  });

  it('throws for invalid HTTP', () => {
    assert.throws(() => read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 100), /chunk size/);
    assert.throws(() => read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n', 100), /longer/);
    assert.throws(() => read('x'.repeat(70_000), 1_000), /too long/);
  });
});
