import { Accumulator } from '../../src/chat/accumulator.ts';
import type { GenerationCall, AnswerHead, GenerationProtocol } from '../../src/chat/protocol.ts';
import type { ChatEvent } from '../../src/chat/event.ts';
import { asGatewayError } from '../../src/errors.ts';
import { clientProtocols } from '../../src/protocols/index.ts';
import { Translator } from '../../src/streaming/translator.ts';
import { MemoryTextStore } from '../../src/store/memory.ts';
import { type BackendKind, backends } from '../../src/upstreams/index.ts';
import { sentOf } from '../helpers/sent.ts';

const maxLineBytes = 8 * 1024 * 1024;

/** A request that every dialect can read: each takes the fields it knows and ignores the others. */
const chat = {
  model: 'golden',
  stream: true,
  stream_options: { include_usage: true },
  max_tokens: 4096,
  messages: [{ role: 'user', content: 'hi' }],
  input: 'hi',
  contents: 'hi',
  generationConfig: { thinkingConfig: { includeThoughts: true } },
};
/** Responses has another `prompt`, a stored template, and refuses it. It would repeat the limit. */
const { max_tokens: _, ...unlimited } = chat;
const bodies = [{ ...chat, prompt: 'hi' }, unlimited];

/** One client dialect, and a request in it. */
export interface Dialect {
  /** For example `chat-completions`, `api-chat`. */
  readonly name: string;
  readonly protocol: GenerationProtocol;
  readonly body: object;
  /** The parsed request. It has no state, so that all recordings share it; encoders have. */
  readonly call: GenerationCall;
  readonly head: AnswerHead;
}

const emptyStore = new MemoryTextStore({ entries: 0, bytes: 0, ttl: 0 });
const protocols = await Promise.all(
  clientProtocols({ reasoning_field: 'both' }, emptyStore).generation.map(async (protocol) => ({
    name: protocol.path.slice(1).replace('v1/', '').replaceAll('/', '-'),
    protocol,
    ...(await readFirst(protocol)),
    head: headOf(protocol),
  })),
);

/** Every dialect that streams. Google's array has the same records as its events, in front of which it is tested. */
export const dialects: readonly Dialect[] = protocols.filter(
  ({ call, protocol }) => call.stream && !protocol.path.endsWith('/array'),
);

/** @returns the first of `bodies` that the protocol accepts, and the parsed request */
async function readFirst(protocol: GenerationProtocol): Promise<Pick<Dialect, 'body' | 'call'>> {
  for (const body of bodies) {
    try {
      return { body, call: await protocol.read(body, 'golden') };
    } catch (error) {
      if (body === bodies.at(-1)) throw error;
    }
  }
  throw new Error('no body');
}

/** @returns the ids and times that stand in the goldens */
function headOf({ idPrefix }: GenerationProtocol): AnswerHead {
  const arrivedAt = 1795233600_000;
  return {
    id: `${idPrefix}golden`,
    created: arrivedAt / 1000,
    model: 'golden',
    arrivedAt,
    now: () => arrivedAt + 250,
  };
}

/** @returns the client's stream when a backend's bytes arrive in these pieces */
export function translate(pieces: readonly Buffer[], kind: BackendKind, { call, head }: Dialect): string {
  const translator = new Translator(
    [(emit) => backends[kind].decoder(call.requests[0], emit, maxLineBytes)],
    call.encoder(head),
  );
  return stable(Buffer.concat([...sentOf(translator, pieces)]).toString());
}

/** @returns the status and the body of the response that is not streamed, for a backend's bytes */
export function translateWhole(bytes: Buffer, kind: BackendKind, { call, head, protocol }: Dialect): string {
  const accumulator = new Accumulator();
  const written = (status: number, json: object): string =>
    stable(`${status}\n${JSON.stringify(json, undefined, 2)}\n`);
  try {
    const decoder = backends[kind].decoder(call.requests[0], (event) => accumulator.add(event), maxLineBytes);
    decoder.push(bytes);
    if (accumulator.result === undefined) decoder.end();
  } catch (thrown) {
    const error = asGatewayError(thrown);
    return written(protocol.errors.status?.(error) ?? error.status, protocol.errors.body(error));
  }
  if (accumulator.result === undefined) throw new Error('the decoder gave neither an answer nor an error');
  return written(200, call.respond([accumulator.result], accumulator.result, head));
}

/** @returns the events when a backend's bytes arrive in these pieces; after them the code of the error, if any */
export function events(pieces: readonly Buffer[], kind: BackendKind, { call }: Dialect): (ChatEvent | string)[] {
  const seen: (ChatEvent | string)[] = [];
  try {
    const decoder = backends[kind].decoder(call.requests[0], (event) => seen.push(event), maxLineBytes);
    for (const piece of pieces) decoder.push(piece);
    decoder.end();
  } catch (thrown) {
    seen.push(asGatewayError(thrown).code);
  }
  return seen;
}

/** @returns the text with random ids replaced by numbers, in the order in which they appear */
export function stable(text: string): string {
  const numbers = new Map<string, string>();
  return text.replace(/\b([a-z]+)_[0-9a-f]{20,}\b/g, (id, prefix: string) => {
    const known = numbers.get(id) ?? `${prefix}_${numbers.size}`;
    numbers.set(id, known);
    return known;
  });
}
