import { type AddressInfo, type Socket, createServer } from 'node:net';
import { type Clock, createClock } from './clock.ts';
import { jsonResponse, listing } from './listing.ts';
import { messageReader } from './message-reader.ts';
import { microseconds, readLoad, stampOf } from './model.ts';
import { type Dialect, type Script, type Write, renderStream, renderWhole } from './script.ts';

/** Sent to the parent process once the upstream listens. */
export interface Listening {
  readonly port: number;
}

/** Bytes that may be buffered for a connection before a stream without pauses waits. */
const mostWaiting = 64 * 1024;
const mostScripts = 1_000;

const paths: Readonly<Record<string, Dialect>> = { '/api/chat': 'ollama', '/v1/chat/completions': 'openai' };

/**
 * Starts an Ollama whose answers are described by the name of the model, see {@link readLoad}. It also serves OpenAI's
 * API, for proxies that do not translate. It writes HTTP on plain sockets, so that it is not the bottleneck.
 *
 * @param models the models that it lists
 */
export function startUpstream(models: readonly string[]): Promise<Listening & { close(): void }> {
  const clock = createClock();
  const scripts = new Map<string, Script | Buffer>();
  const cached = <Rendered extends Script | Buffer>(key: string, render: () => Rendered): Rendered => {
    let script = scripts.get(key) as Rendered | undefined;
    if (script === undefined) {
      if (scripts.size >= mostScripts) scripts.clear();
      scripts.set(key, (script = render()));
    }
    return script;
  };
  const answer = (socket: Socket, head: string, body: string): void => {
    const path = /^\S+ ([^\s?]*)/.exec(head)?.[1] ?? '';
    const dialect = paths[path];
    if (dialect === undefined) {
      const found = listing(path, models);
      return void socket.write(
        found === undefined ? jsonResponse('404 Not Found', { error: 'not found' }) : jsonResponse('200 OK', found),
      );
    }
    // Not JSON.parse: a prompt of 1 MB would cost more than its answer.
    const model = /"model"\s*:\s*"([^"\\]*)"/.exec(body)?.[1] ?? '';
    const load = readLoad(model);
    if (load === undefined)
      return void socket.write(jsonResponse('404 Not Found', { error: `model '${model}' not found` }));
    if (body.length < load.prompt)
      return void socket.write(jsonResponse('400 Bad Request', { error: 'the prompt was cut' }));
    const streamed = /"stream"\s*:\s*(true|false)/.exec(body)?.[1] ?? String(dialect === 'ollama');
    const key = `${dialect} ${streamed} ${model}`;
    if (streamed === 'true') {
      play(
        socket,
        clock,
        cached(key, () => renderStream(dialect, model, load)),
      );
      return;
    }
    const whole = cached(key, () => renderWhole(dialect, model, load));
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

/** Writes a response at the pace of its load. */
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
    // Without pauses each stream writes once in a turn of the event loop: the clock runs the earliest task first.
    next = load.interval === 0 ? microseconds() : next + load.interval * 1_000;
    clock.at(next, step);
  };
  if (load.delay === 0) step();
  else clock.at(next, step);
}

if (import.meta.main) {
  const { port } = await startUpstream(process.argv.slice(2));
  process.send?.({ port } satisfies Listening);
  // Without its parent it has no purpose.
  process.on('disconnect', () => process.exit(0));
}
