import { z } from 'zod';
import { usageLimits } from './groups.ts';
import { displayName, modelPatterns, network, requireUniqueNames, sha256 } from './values.ts';

/** The permissions of a key. */
export const scopes = ['inference', 'admin', 'metrics'] as const;
export type Scope = (typeof scopes)[number];

/** The values of the `key` label for requests that use no key of the configuration file. */
const reservedNames = /^(anonymous|env|none|metrics-token|token(-.*)?)$/;

const previousSecret = z.strictObject({ hash: sha256, until: z.iso.datetime({ offset: true }) });

/** One entry of `keys`. */
export const keySchema = z.strictObject({
  name: displayName
    .refine((name) => !reservedNames.test(name), 'this name is reserved for requests that use no key of this file')
    .describe(
      'Name of the user or program that uses the key. It is the `key` label of the metrics and is in every log line.',
    ),
  hash: sha256.describe('SHA-256 hash of the secret. The secret itself is not stored.'),
  scopes: z
    .array(z.enum(scopes))
    .min(1)
    .default(['inference'])
    .describe(
      'Permissions. inference: chat, generate, embed, list models. admin: pull, push, create, copy, delete. metrics: /metrics.',
    ),
  models: modelPatterns
    .optional()
    .describe(
      'Names or patterns of the models that the key may use and sees in lists; * matches any text. Absent: those of its group, or all.',
    ),
  expires: z
    .union(
      [z.iso.datetime({ offset: true }), z.iso.date()],
      'expected a date such as 2027-01-31, or a time such as 2027-01-31T18:00:00Z',
    )
    .optional()
    .describe('When the key expires: a date (at 00:00 UTC), or a time with a time zone. Absent: never.'),
  addresses: z
    .array(network)
    .min(1)
    .optional()
    .describe(
      'Networks from which the key may be used, for example 10.1.2.0/24. Behind a reverse proxy, set trusted_proxies as well. Absent: any.',
    ),
  hide_thinking: z.boolean().optional().describe('true: responses to this key do not contain the thinking.'),
  group: displayName.optional().describe('Name of a group in `groups`.'),
  limits: usageLimits.optional().describe('Limits of this key. They take precedence over those of its group.'),
  retiring: z
    .union([previousSecret, z.array(previousSecret)])
    .transform((previous) => [previous].flat())
    .optional()
    .describe(
      'The previous secret and how long it stays valid, or a list of them. Written by `llamaduct keys rotate --keep`.',
    ),
});

/** One entry of `keys`, parsed. */
export type KeyConfig = z.output<typeof keySchema>;

/** `keys`: no two share a name or a secret. */
export const keys = z.array(keySchema).superRefine((list, context) => {
  refuseModelsOfAdmins(list, context);
  requireUniqueHashes(list, context);
  requireUniqueNames(list, context, 'key');
});

function refuseModelsOfAdmins(list: readonly KeyConfig[], context: z.RefinementCtx): void {
  list.forEach(({ models, scopes: granted }, index) => {
    if (models === undefined || !granted.includes('admin')) return;
    const message = 'a key with the admin scope can use every model; remove `models` or the admin scope';
    context.addIssue({ code: 'custom', path: [index, 'models'], message });
  });
}

/** Reports each secret, current or retiring, that an earlier entry already has: a secret must identify one key. */
function requireUniqueHashes(list: readonly KeyConfig[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  const requireUnseen = (hash: string, path: readonly (string | number)[]): void => {
    if (seen.has(hash)) context.addIssue({ code: 'custom', path: [...path], message: 'another secret has this hash' });
    seen.add(hash);
  };
  list.forEach(({ hash, retiring = [] }, index) => {
    requireUnseen(hash, [index, 'hash']);
    for (const previous of retiring) requireUnseen(previous.hash, [index, 'retiring']);
  });
}
