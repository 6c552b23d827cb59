import type { Timings } from '../../chat/event.ts';
import { serverTiming } from '../../chat/server-timing.ts';
import { sseComment, sseData } from '../../framing/sse.ts';

/** The end of a whole answer: where its time went, as a comment that clients skip, and the mark they wait for. */
export function endOfStream(timings: Timings): string {
  const timing = serverTiming(timings);
  return (timing === '' ? '' : sseComment(`server-timing: ${timing}`)) + sseData('[DONE]');
}
