import { z } from 'zod';
import { type Address, network, timeout } from './values.ts';

const minVersionExpected = "expected '1.2' or '1.3'";

/** `tls`: the certificate of the main listener. */
export const tls = z.strictObject({
  cert: z
    .string()
    .min(1)
    .describe(
      'Certificate and its intermediate certificates, a PEM file. It is read again when it changes. Paths are relative to the folder of this file.',
    ),
  key: z.string().min(1).describe('Private key of the certificate, a PEM file without a passphrase.'),
  min_version: z
    .union([z.enum(['1.2', '1.3', 'TLSv1.2', 'TLSv1.3']), z.literal([1.2, 1.3])], minVersionExpected)
    .default('1.2')
    .transform((version) => (String(version).endsWith('1.3') ? 'TLSv1.3' : 'TLSv1.2'))
    .describe('Oldest version of TLS that clients may use: 1.2 or 1.3.'),
});

/** @returns what is wrong with TLS on an address; undefined if nothing is */
export function tlsFault(listen: Address, settings: object | undefined): string | undefined {
  // Nobody can read what passes through a Unix socket.
  return settings !== undefined && 'path' in listen ? 'a Unix socket is served without TLS; remove `tls`' : undefined;
}

/** `socket_mode`; parsed to a number. A number in the file would be ambiguous: YAML reads 0660 as 660. */
export const socketMode = z
  .string("expected an octal mode in quotes, such as '0660'")
  .regex(/^0?[0-7]{3}$/, "expected an octal mode in quotes, such as '0660'")
  .transform((text) => Number.parseInt(text, 8));

/** `keep_alive_timeout`, in milliseconds. Node would take 0 to mean that no connection is ever closed. */
export const keepAliveTimeout = timeout.refine((milliseconds) => milliseconds >= 1_000, 'expected at least 1s');

/** `trusted_proxies`: whose `X-Forwarded-For` is believed. */
export const trustedProxies = z.array(
  z.union([network, z.literal('unix')], 'expected a network such as 10.1.2.0/24, an IP address, or unix'),
);

/** A host name in the form that `hostNameOf` returns: in lower case, without a port. */
export const hostName = z
  .string()
  .regex(
    /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/,
    'expected a host name in lower case such as llm.example.org: no port, no *',
  );
