/**
 * The signature of thinking that the client sees. Clients refuse thinking without one and must not interpret it, and there is
 * nothing to sign, so it is a constant.
 */
export const plainSignature = 'bGxhbWFkdWN0';

/** The beginning of a signature that contains the thinking. */
const mark = 'llamaduct:';
/** Characters of thinking that a signature may contain: clients send it back with every request. */
export const maxCharacters = 100_000;

/**
 * @returns the signature of thinking that the client does not want to see, but sends back. It contains the thinking, because a model
 *   that has called a tool goes on with it
 */
export function signatureWith(thinking: string): string {
  if (thinking === '' || thinking.length > maxCharacters) return plainSignature;
  return Buffer.from(mark + thinking).toString('base64');
}

/** @returns the thinking in a signature; undefined if it contains none */
export function thinkingIn(signature: unknown): string | undefined {
  if (typeof signature !== 'string' || !signature.startsWith(plainSignature)) return undefined;
  const text = Buffer.from(signature, 'base64').toString('utf8');
  return text.startsWith(mark) ? text.slice(mark.length) : undefined;
}
