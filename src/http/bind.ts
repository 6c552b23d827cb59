import { lstatSync, unlinkSync } from 'node:fs';
import { type Server, connect } from 'node:net';
import type { Address } from '../config/schema.ts';

/**
 * Has a server listen on an address.
 *
 * @param socketMode permissions of a Unix socket
 * @throws {Error} of `listen`, for example EADDRINUSE; ENOTSOCK if the path of a Unix socket is a file of another kind
 */
export async function bind(server: Server, address: Address, socketMode: number): Promise<void> {
  if (!('path' in address)) return await listening(server, address);
  await removeStaleSocket(address.path);
  // `listen` creates the socket before it returns, and a change of its permissions later would leave a moment in between.
  const umask = process.umask(0o777 & ~socketMode);
  const bound = listening(server, address);
  process.umask(umask);
  await bound;
}

async function listening(server: Server, address: Address): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Removes what a process that was killed has left. @throws {Error} if the path is in use */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw cannotListen('ENOTSOCK', path);
  if (await isServed(path)) throw cannotListen('EADDRINUSE', path);
  // In the meantime another process may have replaced it.
  if (lstatSync(path, { throwIfNoEntry: false })?.ino === found.ino) unlinkSync(path);
}

/** True unless it is certain that nobody listens. */
async function isServed(path: string): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
}

/** @returns an error like those of `listen` */
function cannotListen(code: string, path: string): Error {
  return Object.assign(new Error(`listen ${code}: ${path}`), { code, syscall: 'listen', address: path });
}
