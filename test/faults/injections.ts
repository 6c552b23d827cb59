import type { Wire } from './upstream.ts';

/** Sends the answer up to its text: the first part of it, and half of a line. */
export async function untilMidLine(wire: Wire): Promise<void> {
  const [first, second] = wire.script.parts;
  await wire.head();
  await wire.send(first);
  await wire.send(second.subarray(0, second.length / 2));
}

export async function untilFirst(wire: Wire): Promise<void> {
  await wire.head();
  await wire.send(wire.script.parts[0]);
}

/** Sends the answer up to a character of two bytes, and the first of these. */
export async function untilMidCharacter(wire: Wire): Promise<void> {
  const [first, second] = wire.script.parts;
  await wire.head();
  await wire.send(first);
  await wire.send(second.subarray(0, second.indexOf('é') + 1));
}

export const answering =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  async (wire: Wire): Promise<void> =>
    await wire.answer(status, body, headers);

/** An error as the kind of the upstream tells it. */
export const refusing =
  (status: number, message: string, headers: Record<string, string> = {}) =>
  async (wire: Wire): Promise<void> => {
    const error = wire.path.startsWith('/api/') ? message : { message, type: 'whatever', code: null, param: null };
    await wire.answer(status, JSON.stringify({ error }), headers);
  };

export const hold = (): void => undefined;
/** What is no client's business. */
export const page = '<html><body>A proxy speaks, of 10.0.0.7:8080</body></html>';

/** Lets one `step` follow another, and then breaks the connection. */
export const followed =
  (step: (wire: Wire) => Promise<void>, after: (wire: Wire) => void) =>
  async (wire: Wire): Promise<void> => {
    await step(wire);
    after(wire);
  };
export const reset = (wire: Wire): void => wire.reset();
export const halfClose = (wire: Wire): void => wire.halfClose();
export const raw =
  (bytes: string) =>
  async (wire: Wire): Promise<void> =>
    await wire.raw(bytes);

/** Writes for as long as somebody reads. */
export async function endlessly(wire: Wire): Promise<void> {
  await wire.head();
  await wire.send(wire.script.parts[0]);
  const line = wire.script.line('more '.repeat(200));
  while (!wire.closed) await wire.send(line);
}

export async function withDoneMissing(wire: Wire): Promise<void> {
  const [first, second] = wire.script.parts;
  await wire.head();
  await wire.send(first);
  await wire.send(second);
  await wire.end();
}

/** Sends the answer with another line after its first. */
export async function withLine(wire: Wire, line: string): Promise<void> {
  const [first, second, last] = wire.script.parts;
  await wire.head();
  for (const part of [first, line, second, last]) await wire.send(part);
  await wire.end();
}

export async function withGarbage(wire: Wire, garbage: string): Promise<void> {
  await wire.head();
  for (const part of wire.script.parts) await wire.send(part);
  await wire.send(garbage);
  await wire.end();
}

/** The answer with bytes in its text that are no UTF-8. */
export async function withBadBytes(wire: Wire): Promise<void> {
  const [first, second, last] = wire.script.parts;
  const broken = Buffer.from(second);
  broken.fill(0xff, broken.indexOf('caf'), broken.indexOf('caf') + 1);
  await wire.head();
  for (const part of [first, broken, last]) await wire.send(part);
  await wire.end();
}
