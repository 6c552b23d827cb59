/** One server-sent event without a name. JSON has no raw line ends, so one `data` line holds it. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
export function sseData(json: string): string {
  return `data: ${json}\n\n`;
}

/** What a client's parser skips. */
export function sseComment(text: string): string {
  return `: ${text}\n\n`;
}

export const sseContentType = 'text/event-stream; charset=utf-8';
