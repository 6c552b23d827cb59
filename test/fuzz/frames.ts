import assert from 'node:assert/strict';

/**
 * Reads a client's stream, strictly: every event of SSE is one `data` line of JSON, perhaps with its name; every line of
 * NDJSON is an object.
 *
 * @returns what was sent, `[DONE]` as it is
 */
export function readEvents(text: string, contentType: string): unknown[] {
  return contentType.startsWith('text/event-stream') ? readSse(text) : readLines(text);
}

function readSse(text: string): unknown[] {
  if (text === '') return [];
  assert.ok(text.endsWith('\n\n'), 'an event does not end');
  return text
    .slice(0, -2)
    .split('\n\n')
    .flatMap((frame) => {
      const match = /^(?:event: [a-z_.]+\n)?data: ([^\r\n]+)$/.exec(frame);
      if (match === null) assert.match(frame, /^: [^\r\n]*$/);
      const [, data] = match ?? [];
      if (data === undefined) return [];
      return [data === '[DONE]' ? data : (JSON.parse(data) as unknown)];
    });
}

function readLines(text: string): unknown[] {
  if (text === '') return [];
  assert.ok(text.endsWith('\n'), 'a line does not end');
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const value: unknown = JSON.parse(line);
      assert.ok(typeof value === 'object' && value !== null);
      return value;
    });
}
