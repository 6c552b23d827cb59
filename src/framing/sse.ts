/**
 * A server-sent event without a name.
 *
 * @param json has no raw line breaks, so one `data` line holds it
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function sseData(json: string): string {
  return `data: ${json}\n\n`;
}

/** A comment, which clients ignore. */
export function sseComment(text: string): string {
  return `: ${text}\n\n`;
}

export const sseContentType = 'text/event-stream; charset=utf-8';
