import { z } from 'zod';
import { displayName } from './values.ts';

/**
 * `jwt`: bearer tokens of an identity provider, accepted in addition to keys.
 * @see https://openid.net/specs/openid-connect-core-1_0.html
 */
export const jwt = z.strictObject({
  issuer: z.url().describe('Required `iss` claim of a token.'),
  audience: z.string().min(1).describe('Required `aud` claim of a token.'),
  jwks_url: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as https://login.example.org/keys' })
    .refine((text) => {
      const url = URL.parse(text);
      return url === null || url.username + url.password === '';
    }, 'expected a URL without user name and password')
    .describe("URL of the provider's signing keys (JWKS)."),
  name_claim: z.string().min(1).default('sub').describe('The claim with the name of the user.'),
  group_claim: z.string().min(1).optional().describe('The claim with the name of the group, one of `groups`.'),
  default_group: displayName
    .optional()
    .describe('The group for tokens that name none of `groups`. Absent: they have no limits.'),
  algorithms: z
    .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']))
    .min(1)
    .default(['RS256', 'ES256', 'PS256', 'EdDSA'])
    .describe('Accepted signature algorithms.'),
});
