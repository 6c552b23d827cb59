import { hash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { GatewayError } from '../errors.ts';
import { Semaphore } from '../semaphore.ts';

export interface DocumentLimits {
  /** Maximum size of one PDF. */
  readonly bytes: number;
  /** Pages that are read; the rest is left out. */
  readonly pages: number;
  /** Characters of the text; the rest is left out. */
  readonly characters: number;
  /** Milliseconds for one PDF, without the wait for a free worker. */
  readonly timeout: number;
}

/** The document of one worker, and its limits. */
export interface PdfJob {
  readonly base64: string;
  readonly maxPages: number;
  readonly maxCharacters: number;
}

/** Workers at a time. Each takes a core, and up to `maxMemory`. */
const maxConcurrent = 2;
const maxWaiting = 64;
/** MiB of one worker, its buffers included: a PDF of 2 KB can unpack to gigabytes. */
const maxMemory = 256;
/** Milliseconds between two looks at the memory of a worker. */
const lookInterval = 50;
/** Characters of all texts that are kept: a conversation sends its documents again with every message. */
const maxKept = 16 * 1024 * 1024;

/** The worker is TypeScript from the sources, and JavaScript in the package. */
const workerUrl = new URL(import.meta.url.endsWith('.ts') ? './pdf-worker.ts' : './pdf-worker.js', import.meta.url);

/** Extracts the text of PDFs, each in a worker of its own. */
export class PdfExtractor {
  readonly #limits: DocumentLimits;
  readonly #slots = new Semaphore(maxConcurrent, maxWaiting, 'Too many documents are being read.');
  readonly #running = new Set<Worker>();
  /** Texts by the SHA-256 of the document; the one that was used last is at the end. '' for one that cannot be read. */
  readonly #texts = new Map<string, string>();
  #kept = 0;
  #isClosed = false;

  constructor(limits: DocumentLimits) {
    this.#limits = limits;
  }

  /**
   * @param owner whose document it is: owners take turns
   * @returns the text; '' if there is none, the document cannot be read, or takes too long
   * @throws {GatewayError} 503 when too many documents are waiting, or when the extractor is closed
   * @throws the signal's reason when it aborts
   */
  async extract(base64: string, signal: AbortSignal, owner?: string): Promise<string> {
    const { bytes } = this.#limits;
    if ((base64.length * 3) / 4 > bytes + 2) return '';
    const key = hash('sha256', base64, 'base64');
    const known = this.#texts.get(key);
    if (known !== undefined) {
      this.#texts.delete(key);
      this.#texts.set(key, known);
      return known;
    }
    const text = await this.#slots.run(signal, owner, async () => await this.#run(base64, signal));
    this.#keep(key, text);
    return text;
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#running].map(async (worker) => await worker.terminate()));
  }

  async #run(base64: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (this.#isClosed) throw new GatewayError('shutting_down', 'llamaduct is shutting down.', { retryAfter: 5 });
    const { pages, characters, timeout } = this.#limits;
    const workerData: PdfJob = { base64, maxPages: pages, maxCharacters: characters };
    const worker = new Worker(workerUrl, {
      workerData,
      // The library reports what it finds odd in a document.
      stdout: true,
      stderr: true,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: maxMemory },
    });
    this.#running.add(worker);
    const { promise, resolve } = Promise.withResolvers<string>();
    const end = (): void => resolve('');
    const timer = setTimeout(end, timeout);
    const looks = setInterval(() => void endAboveLimit(worker, end), lookInterval);
    signal.addEventListener('abort', end);
    worker.once('message', (text: string) => resolve(text));
    worker.once('error', end);
    worker.once('exit', end);
    try {
      const text = await promise;
      signal.throwIfAborted();
      return text;
    } finally {
      clearTimeout(timer);
      clearInterval(looks);
      signal.removeEventListener('abort', end);
      this.#running.delete(worker);
      await worker.terminate();
    }
  }

  #keep(key: string, text: string): void {
    this.#texts.set(key, text);
    this.#kept += text.length + key.length;
    for (const [oldest, dropped] of this.#texts) {
      if (this.#kept <= maxKept) return;
      this.#texts.delete(oldest);
      this.#kept -= dropped.length + oldest.length;
    }
  }
}

/** Node limits only the heap of a worker, to which its buffers do not belong. */
async function endAboveLimit(worker: Worker, end: () => void): Promise<void> {
  // It fails once the worker has ended.
  const memory = await worker.getHeapStatistics().catch(() => undefined);
  if (memory === undefined) return;
  if (memory.total_heap_size + memory.external_memory > maxMemory * 1024 * 1024) end();
}
