import assert from 'node:assert/strict';

/**
 * Reads a client's stream strictly: every SSE event has one `data` line with JSON, perhaps after its name; every line of
 * NDJSON is an object, and so is every item of an array.
 *
 * @returns the parsed data, and the text `[DONE]`
 * @throws {Error} when the stream is malformed
 */
export function readEvents(text: string, contentType: string): unknown[] {
  if (contentType.startsWith('text/event-stream')) return readSse(text);
  return contentType.startsWith('application/json') ? (JSON.parse(text) as unknown[]) : readLines(text);
}

function readSse(text: string): unknown[] {
  if (text === '') return [];
  assert.ok(text.endsWith('\n\n'), 'the last event has no end');
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
  assert.ok(text.endsWith('\n'), 'the last line has no end');
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const value: unknown = JSON.parse(line);
      assert.ok(typeof value === 'object' && value !== null);
      return value;
    });
}
