import { z } from 'zod';

/** Headers that llamaduct sets itself, or that concern one connection. */
const reserved = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

const value = z
  .string()
  .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'expected printable ASCII characters')
  .regex(/^([^$]|\$(?!\{)|\$\{[A-Za-z_]\w*\})*$/, 'expected ${NAME} with the name of an environment variable');

/** `upstreams[].headers`: headers by name. `config/upstreams.ts` replaces `${NAME}` in the values. */
export const upstreamHeaders = z.record(z.string(), value).superRefine((headers, context) => {
  const seen = new Set<string>();
  for (const name of Object.keys(headers)) {
    const message = nameFault(name, seen);
    if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message });
    seen.add(name.toLowerCase());
  }
});

/** @param seen the names of other headers in lower case */
function nameFault(name: string, seen: ReadonlySet<string>): string | undefined {
  if (!token.test(name)) return 'expected the name of a header, such as CF-Access-Client-Id';
  if (reserved.has(name.toLowerCase())) return 'llamaduct sets this header itself';
  return seen.has(name.toLowerCase()) ? 'this header is set twice' : undefined;
}
