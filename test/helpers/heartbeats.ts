/** Events that start an answer or say nothing, once the role and the sequence number are removed. */
const heartbeats: readonly RegExp[] = [
  /^event: (message_start|ping)\n/,
  /^event: response\.in_progress\n/,
  /"delta":\{\}(,"logprobs":null)?,"finish_reason":null/,
  /"delta":\{"type":"(text|thinking)_delta","(text|thinking)":""\}/,
  /"text":"","index":\d+,"logprobs":null,"finish_reason":null/,
  /"parts":\[\{"text":""\}\],"role":"model"\},"index":\d+\}/,
];

const role = /"delta":\{"role":"assistant",("content":(null,|"",|""(?=\})))?/;

/**
 * Splits a stream of server-sent events.
 *
 * @returns its frames without comments, heartbeats and the start, which may be a heartbeat, and without what heartbeats
 *   change in the frames after them: the place of the role, and sequence numbers
 */
export function framesOf(text: string): string[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '' && !frame.startsWith(':'))
    .map((frame) =>
      frame
        .replace(/,"sequence_number":\d+/, '')
        .replace(/,"comment":"server-timing: [^"]*"/, '')
        .replace(role, '"delta":{')
        .replace('{"content":""}', '{}'),
    )
    .filter((frame) => !heartbeats.some((heartbeat) => heartbeat.test(frame)));
}
