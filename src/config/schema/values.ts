import { z } from 'zod';

const secondsPer = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 } as const;
const bytesPer = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const durationExpected = 'expected a duration such as 250ms, 30s, 5m, 1h or 7d';
const sizeExpected = 'expected a size such as 512KiB, 8MiB or 1GiB';
const addressExpected = 'expected HOST:PORT, for example 127.0.0.1:11435';
const originExpected = 'expected an origin such as https://chat.example.org: no path, no *';

/** A duration such as `250ms`, `30s`, `5m`, `1h` or `7d`; parsed to milliseconds. */
export const duration = z
  .string(durationExpected)
  .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, durationExpected)
  .transform((text) => {
    const [, amount, unit] = /^([\d.]+)(\w+)$/.exec(text) as unknown as [string, string, keyof typeof secondsPer];
    return Math.round(Number(amount) * secondsPer[unit] * 1000);
  });

/**
 * Milliseconds: 24 days, just below the largest delay that Node's timers take (2^31 - 1 ms). A larger delay would fire
 * at once.
 * @see https://nodejs.org/api/timers.html#settimeoutcallback-delay-args
 */
const maxTimerDelay = 24 * 86_400_000;

/** A duration for a timer, in milliseconds; anything longer than 24 days becomes 24 days. */
export const timeout = duration.transform((milliseconds) => Math.min(milliseconds, maxTimerDelay));

/** A size such as `512KiB` or `8MiB`; parsed to bytes. */
export const size = z
  .string(sizeExpected)
  .regex(/^\d+(B|KiB|MiB|GiB)$/, sizeExpected)
  .transform((text) => {
    const [, amount, unit] = /^(\d+)(\w+)$/.exec(text) as unknown as [string, string, keyof typeof bytesPer];
    return Number(amount) * bytesPer[unit];
  });

/** Bytes that the path of a Unix socket may have on every operating system. */
const maxSocketPath = 103;

/** A TCP address, or the path of a Unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * `HOST:PORT`, with IPv6 hosts in brackets, or `unix:/PATH`. The operating system picks the port when it is 0.
 */
export const address = z
  .string(addressExpected)
  .regex(/^(unix:\/[^\0]+|(\[[0-9a-fA-F:]+\]|[^:[\]\s]+):\d{1,5})$/, addressExpected)
  .transform((text): Address => {
    if (text.startsWith('unix:/')) return { path: text.slice('unix:'.length) };
    const colon = text.lastIndexOf(':');
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
  })
  .refine((parsed) => 'path' in parsed || parsed.port <= 65535, 'expected a port of at most 65535')
  .refine(
    (parsed) => !('path' in parsed) || Buffer.byteLength(parsed.path) <= maxSocketPath,
    `expected a path of at most ${maxSocketPath} bytes`,
  );

/** A network in CIDR notation, or a single IP address. */
export const network = z.union(
  [z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()],
  'expected a network such as 10.1.2.0/24, or an IP address',
);

/** The origin of a web page, exactly as browsers send it in the `Origin` header. */
export const origin = z
  .string(originExpected)
  .regex(/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s*@,]+$/, originExpected)
  .refine((text) => {
    // The URL standard gives other schemes the origin "null", but browsers send chrome-extension://… and the like.
    if (!/^https?:/.test(text)) return true;
    return URL.parse(text)?.origin === text;
  }, 'expected the origin as browsers send it: in lower case, without the default port');

/** The name of a key or a group. Safe in metric labels and log lines. */
export const displayName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.@-]{0,63}$/, 'expected 1 to 64 letters, digits, dots, dashes, underscores or @');

/** The SHA-256 hash of a secret, as `hashSecret` writes it. */
export const sha256 = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits, as `llamaduct keys new` prints');

/** A model name pattern; `*` matches any text. */
export const modelPattern = z
  .string()
  .min(1)
  .refine(
    (pattern) => !pattern.includes('*') || !/^(https?:\/\/)?(registry\.ollama\.ai\/|library\/)/i.test(pattern),
    'leave out registry.ollama.ai/ and library/: a pattern is compared with names without them, for example llama3*',
  );

/** Model name patterns. */
export const modelPatterns = z.array(modelPattern).min(1);

/**
 * Reports each item whose name is already used by an earlier item.
 * @param kind the kind of items, for the message
 */
export function requireUniqueNames(
  items: readonly { readonly name: string }[],
  context: z.RefinementCtx,
  kind: 'key' | 'upstream',
): void {
  const names = items.map(({ name }) => name);
  names.forEach((name, index) => {
    if (names.indexOf(name) === index) return;
    context.addIssue({ code: 'custom', path: [index, 'name'], message: `another ${kind} has this name` });
  });
}
