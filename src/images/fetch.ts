import { GatewayError } from '../errors.ts';
import { get } from './get.ts';
import { isPublicAddress } from './guard.ts';
import { type Refuse, afterRedirect, refusalOf } from './refusal.ts';
import { type Resolve, resolveHost } from './resolve.ts';
import { imageType } from './sniff.ts';
import { hostOf, literalAddresses, readTarget } from './target.ts';
import { Semaphore } from '../semaphore.ts';

export interface ImageLimits {
  /** Maximum size of one image. */
  readonly bytes: number;
  /** Milliseconds for one image including redirects, without the wait for a free slot. */
  readonly timeout: number;
  readonly redirects: number;
  /** Allowed ports. Absent: 80 and 443. */
  readonly ports?: readonly number[];
}

const defaultPorts = [80, 443];
/** Concurrent fetches. Each may use `bytes` of memory, and a third more than that for the base64. */
const maxConcurrent = 16;
const maxWaiting = 256;

/** Fetches images that clients name by URL, from the public internet only. */
export class ImageFetcher {
  readonly #limits: Required<ImageLimits>;
  readonly #isAllowed: (address: string) => boolean;
  readonly #resolve: Resolve;
  readonly #slots = new Semaphore(maxConcurrent, maxWaiting, 'Too many images are being fetched.');
  /** The abort controllers of running fetches. */
  readonly #running = new Set<AbortController>();

  /** @param isAllowed true for an IP address that may be connected to */
  constructor(
    limits: ImageLimits,
    isAllowed: (address: string) => boolean = isPublicAddress,
    resolve: Resolve = resolveHost,
  ) {
    this.#limits = { ports: defaultPorts, ...limits };
    this.#isAllowed = isAllowed;
    this.#resolve = resolve;
  }

  /**
   * Fetches a png, jpeg, webp or gif.
   *
   * @param param the request field that holds the URL
   * @param owner whose request it is: owners take turns
   * @returns the image in base64
   * @throws {GatewayError} 400 with the reason, which never contains the address behind a host name; 503 when too many
   *   images are waiting, or when the fetcher is closed
   * @throws the signal's reason when it aborts
   */
  async fetch(url: string, param: string, signal: AbortSignal, owner?: string): Promise<string> {
    signal.throwIfAborted();
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
    this.#running.add(controller);
    try {
      return await this.#slots.run(
        controller.signal,
        owner,
        async () => await this.#fetchWithTimeout(url, refusalOf(param), controller),
      );
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#running.delete(controller);
    }
  }

  /** Aborts running fetches with a 503. */
  close(): Promise<void> {
    const error = new GatewayError('shutting_down', 'llamaduct is shutting down.', { retryAfter: 5 });
    for (const controller of this.#running) controller.abort(error);
    return Promise.resolve();
  }

  async #fetchWithTimeout(url: string, refuse: Refuse, controller: AbortController): Promise<string> {
    const { timeout } = this.#limits;
    const timer = setTimeout(() => controller.abort(refuse(`it took longer than ${timeout / 1000} s`)), timeout);
    try {
      const body = await this.#follow(url, refuse, controller.signal);
      if (imageType(body) === undefined) throw refuse('it is not a png, jpeg, webp or gif image');
      return body.toString('base64');
    } catch (error) {
      // An abort can surface as any error; its reason is the one to report.
      controller.signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Follows redirects. Each URL is checked as if the client had sent it. */
  async #follow(text: string, refuse: Refuse, signal: AbortSignal): Promise<Buffer> {
    const { bytes, redirects, ports } = this.#limits;
    let url = readTarget(text, ports, refuse);
    let refuseHop = refuse;
    for (let redirect = 0; ; redirect += 1) {
      const addresses = await this.#addressesOf(url, refuseHop, signal);
      const result = await get(url, { addresses, maxBytes: bytes, refuse: refuseHop, signal });
      if ('body' in result) return result.body;
      if (redirect === redirects) throw refuse(`it redirects more than ${redirects} times`);
      refuseHop = afterRedirect(refuse);
      url = readTarget(result.location, ports, refuseHop, url);
    }
  }

  async #addressesOf(url: URL, refuse: Refuse, signal: AbortSignal): Promise<string[]> {
    const host = hostOf(url);
    const resolved = literalAddresses(host) ?? (await this.#resolve(host, signal).catch(() => []));
    signal.throwIfAborted();
    if (resolved.length === 0) throw refuse('its host name does not resolve');
    const allowed = resolved.filter((address) => this.#isAllowed(address));
    if (allowed.length === 0) throw refuse('its host has a private or reserved address');
    return allowed;
  }
}
