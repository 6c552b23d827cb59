import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Connection, type Serve } from './connection.ts';
import { networkOf } from './network-of.ts';

export interface ConnectionLimits {
  /** Maximum number of open connections. Absent: no limit. */
  readonly connections?: number;
  /** Maximum number from one address. Absent: no limit. */
  readonly connectionsPerAddress?: number;
  /** True for an address with any number of connections, such as that of a reverse proxy. */
  readonly isExempt?: (address: string) => boolean;
  /** Called for each connection that is closed because of a limit. */
  readonly onDropped?: () => void;
}

interface Open {
  /** Undefined before the connection is secured. */
  readonly connection: Connection | undefined;
  /** Undefined if it does not count against a limit per address. */
  readonly network: string | undefined;
}

/** The open connections of a listener. One that is too many takes the place of an idle one; otherwise it is closed at once. */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** The oldest first. */
  readonly #open = new Map<Socket, Open>();
  /** Number of connections from each network that is limited. */
  readonly #perNetwork = new Map<string, number>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get sockets(): Iterable<Socket> {
    return this.#open.keys();
  }

  /**
   * Takes a connection.
   *
   * @param serve answers its requests; absent if it has to be secured first
   * @param accepted the connection in whose place it comes, now that it is secured
   */
  add(socket: Socket, serve?: Serve, accepted?: Socket): void {
    if (accepted !== undefined) this.#remove(accepted);
    const { connections = Infinity, connectionsPerAddress = Infinity } = this.#limits;
    const network = this.#limitedNetworkOf(socket);
    const fromThere = network === undefined ? 0 : (this.#perNetwork.get(network) ?? 0);
    if (fromThere >= connectionsPerAddress && !this.#closeIdle(network)) return this.#drop(socket);
    if (this.#open.size >= connections && !this.#closeIdle()) return this.#drop(socket);
    this.#open.set(socket, { connection: serve && new Connection(socket, serve), network });
    if (network !== undefined) this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1);
    socket.once('close', () => this.#remove(socket));
  }

  /** Takes a request of an open connection. */
  onRequest(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.#open.get(incoming.socket)?.connection?.add(incoming, outgoing);
  }

  /** Parses no more of what a connection sends. */
  stopReading(socket: Socket): void {
    this.#open.get(socket)?.connection?.stop();
  }

  #limitedNetworkOf({ remoteAddress }: Socket): string | undefined {
    const { connectionsPerAddress, isExempt } = this.#limits;
    if (connectionsPerAddress === undefined || remoteAddress === undefined) return undefined;
    return isExempt?.(remoteAddress) === true ? undefined : networkOf(remoteAddress);
  }

  /**
   * Closes the oldest idle connection, if there is one: before others, one that has never sent a request.
   *
   * @param network where it must come from; absent for anywhere
   */
  #closeIdle(network?: string): boolean {
    let oldest: Socket | undefined;
    for (const [socket, one] of this.#open) {
      if ((network !== undefined && one.network !== network) || one.connection?.isIdle === false) continue;
      oldest ??= socket;
      if (one.connection?.isUsed === true) continue;
      oldest = socket;
      break;
    }
    if (oldest === undefined) return false;
    this.#drop(oldest);
    return true;
  }

  #drop(socket: Socket): void {
    // Now and not when it is closed, so that its place is free for the one that comes.
    this.#remove(socket);
    socket.destroy();
    this.#limits.onDropped?.();
  }

  #remove(socket: Socket): void {
    const network = this.#open.get(socket)?.network;
    if (!this.#open.delete(socket) || network === undefined) return;
    const left = (this.#perNetwork.get(network) ?? 0) - 1;
    if (left > 0) this.#perNetwork.set(network, left);
    else this.#perNetwork.delete(network);
  }
}
