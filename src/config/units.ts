import { z } from 'zod';

const secondsPer = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 } as const;
const bytesPer = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const durationExpected = 'expected a duration such as 250ms, 30s, 5m, 1h or 7d';
const sizeExpected = 'expected a size such as 512KiB, 8MiB or 1GiB';
const addressExpected = 'expected HOST:PORT, for example 127.0.0.1:11435';

/** A duration such as `250ms`, `30s`, `5m`, `1h` or `7d`; parsed to milliseconds. */
export const duration = z
  .string(durationExpected)
  .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, durationExpected)
  .transform((text) => {
    const [, amount, unit] = /^([\d.]+)(\w+)$/.exec(text) as unknown as [string, string, keyof typeof secondsPer];
    return Math.round(Number(amount) * secondsPer[unit] * 1000);
  });

/** Within a timer's range in Node: what is above fires at once. */
const longestTimeout = 24 * 86_400_000;

/** A duration that a timer waits for; 24 days for any longer one. */
export const timeout = duration.transform((milliseconds) => Math.min(milliseconds, longestTimeout));

/** A size such as `512KiB` or `8MiB`; parsed to bytes. */
export const size = z
  .string(sizeExpected)
  .regex(/^\d+(B|KiB|MiB|GiB)$/, sizeExpected)
  .transform((text) => {
    const [, amount, unit] = /^(\d+)(\w+)$/.exec(text) as unknown as [string, string, keyof typeof bytesPer];
    return Number(amount) * bytesPer[unit];
  });

/** `HOST:PORT`, with IPv6 hosts in brackets. Port 0 lets the system choose. */
export const address = z
  .string(addressExpected)
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:[\]\s]+):\d{1,5}$/, addressExpected)
  .transform((text) => {
    const colon = text.lastIndexOf(':');
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65535, 'the port is at most 65535');

const originExpected = 'expected an origin such as https://chat.example.org: no path, no *';

/** The origin of a page, as browsers send it. */
export const origin = z
  .string(originExpected)
  .regex(/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s*@,]+$/, originExpected)
  .refine((text) => {
    // What is not http has the origin null to WHATWG's URL, but browsers send chrome-extension://… and the like.
    if (!/^https?:/.test(text)) return true;
    return URL.parse(text)?.origin === text;
  }, 'browsers write this origin otherwise: in lower case, without the port that goes without saying');
