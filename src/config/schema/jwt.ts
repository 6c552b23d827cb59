import { z } from 'zod';
import { displayName } from './values.ts';

/**
 * `jwt`: bearer tokens of an identity provider, accepted in addition to keys.
 * @see https://openid.net/specs/openid-connect-core-1_0.html
 */
export const jwt = z.strictObject({
  issuer: z.url().describe('The iss of tokens that are let in.'),
  audience: z.string().min(1).describe('Their aud.'),
  jwks_url: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as https://login.example.org/keys' })
    .refine((text) => {
      const url = URL.parse(text);
      return url === null || url.username + url.password === '';
    }, 'expected a URL without user name and password')
    .describe('Where the keys are that they are signed with.'),
  name_claim: z.string().min(1).default('sub').describe('The claim that names the holder.'),
  group_claim: z.string().min(1).optional().describe('The claim that names the group, one of `groups`.'),
  default_group: displayName
    .optional()
    .describe('The group of those whose token names none of `groups`. Absent: they are bound by nothing.'),
  algorithms: z
    .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']))
    .min(1)
    .default(['RS256', 'ES256', 'PS256', 'EdDSA'])
    .describe('How they may be signed.'),
});
