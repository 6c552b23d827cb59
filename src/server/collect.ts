import type { ChatBackend } from '../chat/contract.ts';
import { Fold, type ChatResult } from '../chat/fold.ts';
import { GatewayError } from '../errors.ts';
import type { Source } from './source.ts';

/**
 * Reads a whole answer.
 *
 * @param limits.line bytes of one line, `limits.body` bytes of the whole answer
 * @throws {GatewayError} when the upstream fails or stops before its answer is complete
 */
export async function collect(
  source: Source,
  backend: ChatBackend,
  limits: { line: number; body: number },
): Promise<ChatResult> {
  const fold = new Fold();
  const decoder = backend.decoder((event) => fold.add(event), limits.line);
  const reader = source.stream.getReader();
  let bytes = 0;
  try {
    while (fold.result === undefined) {
      const { done, value } = await reader.read();
      if (done) {
        if (source.error !== undefined) throw source.error;
        decoder.end();
        break;
      }
      bytes += value.length;
      if (bytes > limits.body)
        throw new GatewayError('upstream_protocol_error', 'The answer is too large to be sent in one piece.');
      decoder.push(value);
    }
    source.complete = true;
  } finally {
    void reader.cancel();
  }
  if (fold.result === undefined) throw new GatewayError('upstream_incomplete', 'The upstream sent no answer.');
  return fold.result;
}
