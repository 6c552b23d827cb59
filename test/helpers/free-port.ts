import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** @returns a port of this machine on which nothing listens */
export async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}
