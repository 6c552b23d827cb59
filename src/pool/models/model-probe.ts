import type { ChatEvent } from '../../chat/event.ts';
import type { EmbeddingsRequest } from '../../chat/embeddings.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { errorInAnswer } from '../../errors.ts';
import { askUpstream, readError } from '../../upstreams/http/read.ts';
import { transportError } from '../../upstreams/http/client.ts';
import type { UpstreamBody } from '../../upstreams/http/body.ts';
import type { Upstream } from '../upstream.ts';

/** Bytes of a line, as an answer of one token has few. */
const maxLine = 1024 * 1024;

/**
 * Requests an answer of one token. It takes no slot: the queue may be full of requests for other models.
 *
 * @param milliseconds for the whole answer
 * @throws {GatewayError} if the server does not begin to answer, or refuses
 */
export async function probeGeneration(
  { backend, client }: Upstream,
  request: GenerationRequest,
  milliseconds: number,
): Promise<void> {
  const { path, body } = backend.generation(request);
  const answer = await client.send({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(milliseconds),
    deadline: milliseconds,
  });
  if (answer.statusCode !== 200) throw await readError(answer, backend);
  await readAnswer(answer.body, (emit) => backend.decoder(request, emit, maxLine));
}

/**
 * Requests the embedding of one word.
 *
 * @throws {GatewayError} if the server does not answer in time, or refuses
 */
export async function probeEmbeddings(
  { backend, client }: Upstream,
  request: EmbeddingsRequest,
  milliseconds: number,
): Promise<void> {
  await askUpstream(client, backend, backend.embeddings(request), milliseconds);
}

type DecoderOf = (emit: (event: ChatEvent) => void) => { push(bytes: Buffer): void; end(): void };

/** Reads until the model has generated something, or has finished. */
async function readAnswer(body: UpstreamBody, decoderOf: DecoderOf): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const decoder = decoderOf(() => resolve());
    const decode = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        reject(errorInAnswer(error));
      }
    };
    body.read({
      data: (bytes) => decode(() => decoder.push(bytes)),
      end: () => decode(() => decoder.end()),
      error: (error) => reject(transportError(error, 'in the middle of its answer')),
    });
  }).finally(() => body.discard());
}
