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

const name = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'expected the name of a header, such as CF-Access-Client-Id');

const value = z
  .string()
  .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'expected printable ASCII characters')
  .regex(/^([^$]|\$(?!\{)|\$\{[A-Za-z_]\w*\})*$/, 'expected ${NAME} with the name of an environment variable');

/** `upstreams[].headers`: headers by name. `config/upstreams.ts` replaces `${NAME}` in the values. */
export const upstreamHeaders = z.record(name, value).superRefine((headers, context) => {
  const seen = new Set<string>();
  for (const given of Object.keys(headers)) {
    const lower = given.toLowerCase();
    const message = reserved.has(lower)
      ? 'llamaduct sets this header itself'
      : seen.has(lower)
        ? 'this header is set twice'
        : undefined;
    if (message !== undefined) context.addIssue({ code: 'custom', path: [given], message });
    seen.add(lower);
  }
});
