import { GatewayError } from '../errors.ts';
import { get } from './get.ts';
import { isPublicAddress } from './guard.ts';
import { type Refuse, afterRedirect, refusalOf } from './refusal.ts';
import { type Resolve, resolveHost } from './resolve.ts';
import { imageType } from './sniff.ts';
import { hostOf, literalAddresses, readTarget } from './target.ts';
import { Semaphore } from './semaphore.ts';

export interface ImageLimits {
  /** Of one image. */
  readonly bytes: number;
  /** Milliseconds for one image, redirects included, from when it is its turn. */
  readonly timeout: number;
  readonly redirects: number;
  /** Those that may be connected to; 80 and 443 when absent. */
  readonly ports?: readonly number[];
}

const defaultPorts = [80, 443];
/** Each may hold `bytes` of memory, and a little more than that again as base64. */
const atOnce = 16;
const maxWaiting = 256;

/** Fetches images that clients name by URL, from the public internet only. */
export class ImageFetcher {
  readonly #limits: Required<ImageLimits>;
  readonly #isAllowed: (address: string) => boolean;
  readonly #resolve: Resolve;
  readonly #turns = new Semaphore(atOnce, maxWaiting);
  readonly #running = new Set<AbortController>();

  /** @param isAllowed whether an IP address may be connected to */
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
   * The base64 of the png, jpeg, webp or gif at `url`.
   *
   * @param param the request field that holds the URL
   * @throws {GatewayError} 400 that says why it cannot be fetched, never the address behind a name; 503 when too many
   *   images are waited for already, or when closed meanwhile
   * @throws the signal's reason, when that ends it
   */
  async fetch(url: string, param: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const ending = new AbortController();
    const leave = (): void => ending.abort(signal.reason);
    signal.addEventListener('abort', leave);
    this.#running.add(ending);
    try {
      await this.#turns.acquire(ending.signal);
      try {
        return await this.#inTime(url, refusalOf(param), ending);
      } finally {
        this.#turns.release();
      }
    } finally {
      signal.removeEventListener('abort', leave);
      this.#running.delete(ending);
    }
  }

  /** Ends what is being fetched, with a 503. */
  close(): Promise<void> {
    const error = new GatewayError('shutting_down', 'llamaduct is shutting down.', { retryAfter: 5 });
    for (const ending of this.#running) ending.abort(error);
    return Promise.resolve();
  }

  async #inTime(url: string, refuse: Refuse, ending: AbortController): Promise<string> {
    const { timeout } = this.#limits;
    const timer = setTimeout(() => ending.abort(refuse(`it took longer than ${timeout / 1000} s`)), timeout);
    try {
      const body = await this.#follow(url, refuse, ending.signal);
      if (imageType(body) === undefined) throw refuse('it is not a png, jpeg, webp or gif image');
      return body.toString('base64');
    } catch (error) {
      // What an abort breaks fails in many ways; the reason is what matters.
      ending.signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Each hop is checked as if the client had named it. */
  async #follow(text: string, refuse: Refuse, signal: AbortSignal): Promise<Buffer> {
    const { bytes, redirects, ports } = this.#limits;
    let url = readTarget(text, ports, refuse);
    let refuseHop = refuse;
    for (let followed = 0; ; followed += 1) {
      const addresses = await this.#addressesOf(url, refuseHop, signal);
      const got = await get(url, { addresses, maxBytes: bytes, refuse: refuseHop, signal });
      if ('body' in got) return got.body;
      if (followed === redirects) throw refuse(`it redirects more than ${redirects} times`);
      refuseHop = afterRedirect(refuse);
      url = readTarget(got.location, ports, refuseHop, url);
    }
  }

  async #addressesOf(url: URL, refuse: Refuse, signal: AbortSignal): Promise<string[]> {
    const host = hostOf(url);
    const found = literalAddresses(host) ?? (await this.#resolve(host, signal).catch(() => []));
    signal.throwIfAborted();
    if (found.length === 0) throw refuse('its host name does not resolve');
    const allowed = found.filter((address) => this.#isAllowed(address));
    if (allowed.length === 0) throw refuse('its host has a private or reserved address, which may not be fetched from');
    return allowed;
  }
}
