import { randomBytes } from 'node:crypto';

const prefixes = { message: 'msg', function_call: 'fc', function_call_output: 'fco', reasoning: 'rs' } as const;

/** The id of a response: that of the request, where it can be one. A client may have named its request otherwise. */
export function responseId(requestId: string): string {
  return isResponseId(requestId) ? requestId : `resp_${randomBytes(24).toString('hex')}`;
}

/** Of what looks otherwise none can be kept. */
export function isResponseId(text: string): boolean {
  return /^resp_[\w-]{1,123}$/.test(text);
}

/**
 * The id of an item: that of its response with its place there, so that a reference to it can be found with no index of
 * items.
 */
export function itemId(
  type: keyof typeof prefixes,
  response: string,
  place: 'input' | 'output',
  index: number,
): string {
  return `${prefixes[type]}_${response.slice('resp_'.length)}_${place === 'input' ? 'i' : ''}${index}`;
}

/** Where an item of this id would be, if there is one. */
export function placeOf(
  id: string,
): { readonly response: string; readonly place: 'input' | 'output'; readonly index: number } | undefined {
  const [, response, input, index] = /^(?:msg|fco|fc|rs)_([\w-]{1,123})_(i?)(\d{1,6})$/.exec(id) ?? [];
  if (response === undefined || index === undefined) return undefined;
  return { response: `resp_${response}`, place: input === 'i' ? 'input' : 'output', index: Number(index) };
}
