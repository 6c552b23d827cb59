import { parseExact } from '../../framing/json.ts';

/**
 * Changes a JSON body. It is parsed once more for that, so that no number loses digits.
 *
 * @throws {SyntaxError} for bytes that are not JSON
 */
export function changeBytes(bytes: Buffer, change: (body: unknown) => unknown): Buffer {
  return Buffer.from(JSON.stringify(change(parseExact(bytes.toString('utf8')))));
}
