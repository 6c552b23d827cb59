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

/** Every dialect finds in it what it needs and leaves the rest. */
const chat = {
  model: 'golden',
  stream: true,
  stream_options: { include_usage: true },
  max_tokens: 4096,
  messages: [{ role: 'user', content: 'hi' }],
  input: 'hi',
};
/** To Responses a prompt is something else, which cannot be served. */
const bodies = [{ ...chat, prompt: 'hi' }, chat];

/** One client dialect, and the same request in it again and again. */
export interface Dialect {
  /** `chat-completions`, `api-chat` */
  readonly name: string;
  readonly protocol: GenerationProtocol;
  readonly body: object;
  /** Encoders hold state, but calls do not. */
  readonly call: GenerationCall;
  readonly head: AnswerHead;
}

const nothingKept = new MemoryTextStore({ entries: 0, bytes: 0, ttl: 0 });
const all = await Promise.all(
  clientProtocols({ reasoning_field: 'both' }, nothingKept).generation.map(async (protocol) => ({
    name: protocol.path.slice(1).replace('v1/', '').replaceAll('/', '-'),
    protocol,
    ...(await firstRead(protocol)),
    head: headOf(protocol),
  })),
);

/** Every dialect that streams. */
export const dialects: readonly Dialect[] = all.filter(({ call }) => call.stream);

async function firstRead(protocol: GenerationProtocol): Promise<Pick<Dialect, 'body' | 'call'>> {
  for (const body of bodies) {
    try {
      return { body, call: await protocol.read(body, 'golden') };
    } catch (error) {
      if (body === bodies.at(-1)) throw error;
    }
  }
  throw new Error('no body');
}

/** What ids and times are in the goldens. */
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

/** The client's stream for a backend's bytes that arrive in these pieces. */
export function translate(pieces: readonly Buffer[], kind: BackendKind, { call, head }: Dialect): string {
  const translator = new Translator(
    [(emit) => backends[kind].decoder(call.requests[0], emit, maxLineBytes)],
    call.encoder(head),
  );
  return stable(Buffer.concat([...sentOf(translator, pieces)]).toString());
}

/** The client's whole answer for a backend's bytes, or its error, after the status. */
export function answer(bytes: Buffer, kind: BackendKind, { call, head, protocol }: Dialect): string {
  const fold = new Accumulator();
  const written = (status: number, json: object): string =>
    stable(`${status}\n${JSON.stringify(json, undefined, 2)}\n`);
  try {
    const decoder = backends[kind].decoder(call.requests[0], (event) => fold.add(event), maxLineBytes);
    decoder.push(bytes);
    if (fold.result === undefined) decoder.end();
  } catch (thrown) {
    const error = asGatewayError(thrown);
    return written(protocol.errors.status?.(error) ?? error.status, protocol.errors.body(error));
  }
  if (fold.result === undefined) throw new Error('neither an answer nor an error');
  return written(200, call.respond([fold.result], fold.result, head));
}

/** The events of a backend's bytes that arrive in these pieces; last the code of the error, if there was one. */
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

/** Random ids numbered in the order they appear. */
export function stable(text: string): string {
  const numbers = new Map<string, string>();
  return text.replace(/\b([a-z]+)_[0-9a-f]{20,}\b/g, (id, prefix: string) => {
    const known = numbers.get(id) ?? `${prefix}_${numbers.size}`;
    numbers.set(id, known);
    return known;
  });
}
