import { type AddressInfo, type Socket, createServer } from 'node:net';
import { type Clock, createClock } from './clock.ts';
import { listing, plain } from './listing.ts';
import { messageReader } from './message-reader.ts';
import { microseconds, readLoad, stampOf } from './model.ts';
import { type Dialect, type Script, type Write, renderStream, renderWhole } from './script.ts';

/** What the upstream tells its parent once it listens. */
export interface Listening {
  readonly port: number;
}

/** Bytes that may wait for a connection before a stream without pause waits, too. */
const mostWaiting = 64 * 1024;
const mostScripts = 1_000;

const paths: Readonly<Record<string, Dialect>> = { '/api/chat': 'ollama', '/v1/chat/completions': 'openai' };

/**
 * An Ollama that answers with what the name of the model tells, see {@link readLoad}: in Ollama's own API, and in
 * OpenAI's for those that pass on what they get. It speaks HTTP on bare sockets, so that it is no bottleneck.
 * @param models that it lists
 */
export function startUpstream(models: readonly string[]): Promise<Listening & { close(): void }> {
  const clock = createClock();
  const scripts = new Map<string, Script | Buffer>();
  const remember = <Made extends Script | Buffer>(key: string, make: () => Made): Made => {
    let made = scripts.get(key) as Made | undefined;
    if (made === undefined) {
      if (scripts.size >= mostScripts) scripts.clear();
      scripts.set(key, (made = make()));
    }
    return made;
  };
  const answer = (socket: Socket, head: string, body: string): void => {
    const path = /^\S+ ([^\s?]*)/.exec(head)?.[1] ?? '';
    const dialect = paths[path];
    if (dialect === undefined) {
      const found = listing(path, models);
      return void socket.write(
        found === undefined ? plain('404 Not Found', { error: 'not found' }) : plain('200 OK', found),
      );
    }
    // Whole JSON is parsed by nobody here: a prompt of 1 MB would be dearer than its answer.
    const model = /"model"\s*:\s*"([^"\\]*)"/.exec(body)?.[1] ?? '';
    const load = readLoad(model);
    if (load === undefined) return void socket.write(plain('404 Not Found', { error: `model '${model}' not found` }));
    if (body.length < load.prompt) return void socket.write(plain('400 Bad Request', { error: 'the prompt was cut' }));
    const streamed = /"stream"\s*:\s*(true|false)/.exec(body)?.[1] ?? String(dialect === 'ollama');
    const key = `${dialect} ${streamed} ${model}`;
    if (streamed === 'true') {
      play(
        socket,
        clock,
        remember(key, () => renderStream(dialect, model, load)),
      );
      return;
    }
    const whole = remember(key, () => renderWhole(dialect, model, load));
    const wait = load.delay + Math.ceil(load.tokens / load.lines) * load.interval;
    if (wait === 0) socket.write(whole);
    else clock.at(microseconds() + wait * 1_000, () => socket.write(whole));
  };
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    let [head, body] = ['', ''];
    const reader = messageReader({
      head: (text) => {
        [head, body] = [text, ''];
        if (/\r\nexpect:[ \t]*100-continue/i.test(text)) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      },
      body: (text) => (body += text),
      end: () => answer(socket, head, body),
    });
    socket.on('data', (bytes) => reader.push(bytes.toString('latin1')));
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1', 4_096);
  return new Promise((resolve) => {
    server.on('listening', () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        close() {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      });
    });
  });
}

function toBytes(write: Write, now: number): Buffer {
  return Buffer.isBuffer(write) ? write : Buffer.from(write.join(stampOf(now)), 'latin1');
}

/** Writes an answer at the pace that it has. */
function play(socket: Socket, clock: Clock, { load, writes, last }: Script): void {
  let next = microseconds() + load.delay * 1_000;
  let at = 0;
  const step = (): void => {
    if (socket.destroyed) return;
    if (load.interval === 0 && socket.writableLength > mostWaiting) {
      socket.once('drain', step);
      return;
    }
    const write = writes[at];
    if (write !== undefined) socket.write(toBytes(write, microseconds()));
    at += 1;
    if (at >= writes.length) {
      socket.write(last);
      return;
    }
    // Without pause each stream writes once in a round: the clock does first what was due first.
    next = load.interval === 0 ? microseconds() : next + load.interval * 1_000;
    clock.at(next, step);
  };
  if (load.delay === 0) step();
  else clock.at(next, step);
}

if (import.meta.main) {
  const { port } = await startUpstream(process.argv.slice(2));
  process.send?.({ port } satisfies Listening);
  // Without a parent there is nobody to answer.
  process.on('disconnect', () => process.exit(0));
}
