import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { addressOfPeer } from './client-address.ts';
import { Connection, type Serve } from './connection.ts';
import { networkOf } from './network-of.ts';

export interface ConnectionLimits {
  /** Maximum number of open connections. Absent: no limit. */
  readonly connections?: number;
  /** Maximum number from one address. Absent: no limit. */
  readonly connectionsPerAddress?: number;
  /** True for an address with any number of connections, such as that of a reverse proxy. */
  readonly isExempt?: (address: string) => boolean;
  /** Called for each connection that is closed because of a limit, with its address. */
  readonly onDropped?: (address: string | undefined) => void;
}

interface Open {
  /** Another one once the connection is secured. */
  socket: Socket;
  /** Undefined before the connection is secured. */
  connection: Connection | undefined;
  /** Undefined if it does not count against a limit per address. */
  readonly network: string | undefined;
}

/** The open connections of a listener. One that is too many takes the place of an idle one; otherwise it is closed at once. */
export class Connections {
  #limits: ConnectionLimits;
  readonly #open = new Map<Socket, Open>();
  /** The oldest first. */
  readonly #byAge = new Set<Open>();
  /** Number of connections from each network that is limited. */
  readonly #perNetwork = new Map<string, number>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** Replaces the limits. Connections that are open stay. */
  use(limits: ConnectionLimits): void {
    this.#limits = limits;
  }

  get sockets(): Iterable<Socket> {
    return this.#open.keys();
  }

  /**
   * Takes a connection that was accepted.
   *
   * @param serve answers its requests; absent if it has to be secured first
   */
  add(socket: Socket, serve?: Serve): void {
    const { connections = Infinity, connectionsPerAddress = Infinity } = this.#limits;
    const network = this.#limitedNetworkOf(socket);
    const fromThere = network === undefined ? 0 : (this.#perNetwork.get(network) ?? 0);
    if (fromThere >= connectionsPerAddress && !this.#closeIdle(network)) return this.#drop(socket);
    if (this.#open.size >= connections && !this.#closeIdle()) return this.#drop(socket);
    const open = { socket, connection: serve && new Connection(socket, serve), network };
    this.#byAge.add(open);
    this.#put(open);
    if (network !== undefined) this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1);
  }

  /** Puts a secured connection in the place of the accepted one. */
  secure(accepted: Socket | undefined, secured: Socket, serve: Serve): void {
    const open = accepted && this.#open.get(accepted);
    if (accepted === undefined || open === undefined) return this.add(secured, serve);
    this.#open.delete(accepted);
    open.socket = secured;
    open.connection = new Connection(secured, serve);
    this.#put(open);
  }

  #put(open: Open): void {
    const { socket } = open;
    this.#open.set(socket, open);
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
    for (const { socket, connection, network: from } of this.#byAge) {
      if ((network !== undefined && from !== network) || connection?.isIdle === false) continue;
      oldest ??= socket;
      if (connection?.isUsed === true) continue;
      oldest = socket;
      break;
    }
    if (oldest === undefined) return false;
    this.#drop(oldest);
    return true;
  }

  #drop(socket: Socket): void {
    const address = addressOfPeer({ socket });
    // Now and not when it is closed, so that its place is free for the one that comes.
    this.#remove(socket);
    socket.destroy();
    this.#limits.onDropped?.(address);
  }

  #remove(socket: Socket): void {
    const open = this.#open.get(socket);
    if (open === undefined) return;
    this.#open.delete(socket);
    this.#byAge.delete(open);
    const { network } = open;
    if (network === undefined) return;
    const left = (this.#perNetwork.get(network) ?? 0) - 1;
    if (left > 0) this.#perNetwork.set(network, left);
    else this.#perNetwork.delete(network);
  }
}
