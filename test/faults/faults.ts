import type { ErrorCode } from '../../src/errors.ts';
import type { Dialect } from './dialects.ts';
import {
  answering,
  errorAnswer,
  halfClose,
  htmlPage,
  neverAnswer,
  raw,
  reset,
  sendEndlessly,
  sendNothing,
  sequence,
  throughFirstLine,
  throughHalfCharacter,
  throughHalfLine,
  withExtraLine,
  withInvalidUtf8,
  withTrailingGarbage,
  withoutDoneLine,
} from './injections.ts';
import { failureMessage } from './scripts.ts';
import { type FaultyUpstream, type UpstreamRequest, answerCompletely } from './upstream.ts';

/**
 * What a client gets: the complete response, an error with a status, an error event in the stream, the upstream's bytes
 * unchanged, a connection that is closed before the end, or data until it leaves.
 */
export type Outcome =
  | 'complete'
  | `${number} ${ErrorCode}`
  | `event ${ErrorCode}`
  | 'unchanged'
  | 'cut off'
  | 'client left';

interface Outcomes {
  readonly streamed: Outcome;
  readonly whole: Outcome;
}

/** One way for an upstream to fail. */
export interface Fault {
  readonly name: string;
  readonly inject: (request: UpstreamRequest) => void | Promise<void>;
  /** Prepares the upstream, runs the exchange and restores the upstream. */
  readonly around?: (upstream: FaultyUpstream, exchange: () => Promise<void>) => Promise<void>;
  /** When requests are translated. */
  readonly translated: Outcomes;
  /** When requests are passed through unchanged. */
  readonly passedThrough: Outcomes;
  /** When requests are passed through to an upstream of kind `openai`. Absent: as `passedThrough`. */
  readonly passedThroughOpenai?: Outcomes;
  /** The part of the upstream's own message that an error of ours repeats. */
  readonly message?: RegExp;
  /** True when the connection to the upstream may be reused afterwards. */
  readonly connectionReusable?: boolean;
  /** True when the client leaves after the first part of the answer. */
  readonly clientLeaves?: boolean;
}

type ByRelay = Pick<Fault, 'translated' | 'passedThrough'>;

const always = (outcome: Outcome): Outcomes => ({ streamed: outcome, whole: outcome });
/** Nothing of the answer has arrived. */
const beforeFirstByte = (outcome: Outcome): ByRelay => ({
  translated: always(outcome),
  passedThrough: always(outcome),
});
/** Text has arrived, up to the end of a line. */
const betweenLines = (status: number, code: ErrorCode): ByRelay => ({
  translated: { streamed: `event ${code}`, whole: `${status} ${code}` },
  passedThrough: { streamed: `event ${code}`, whole: 'cut off' },
});
/** Text has arrived, and half a line: an error event after it would be part of that line. */
const midLine = (status: number, code: ErrorCode): ByRelay => ({
  ...betweenLines(status, code),
  passedThrough: always('cut off'),
});
/** Bodies that are passed through are not parsed, so the fault goes unnoticed there. */
const unparsed = (translated: Outcomes): ByRelay => ({ translated, passedThrough: always('unchanged') });
const errorStatus = (outcome: Outcome): ByRelay & Pick<Fault, 'passedThroughOpenai' | 'connectionReusable'> => ({
  ...unparsed(always(outcome)),
  passedThroughOpenai: always(outcome),
  connectionReusable: true,
});

const failedBefore = '502 upstream_error';
const failedWithin = '502 upstream_incomplete';
const unreadable = '502 upstream_protocol_error';

/** Every fault, and what clients get. */
export const faults: readonly Fault[] = [
  {
    name: 'connection refused',
    inject: neverAnswer,
    async around(upstream, exchange) {
      await upstream.refuse();
      try {
        await exchange();
      } finally {
        await upstream.accept();
      }
    },
    ...beforeFirstByte('502 upstream_unreachable'),
  },
  { name: 'reset before the headers', inject: reset, ...beforeFirstByte(failedBefore) },
  {
    name: 'reset in the headers',
    inject: sequence(raw('HTTP/1.1 200 OK\r\ncontent-ty'), reset),
    ...beforeFirstByte(failedBefore),
  },
  {
    name: 'reset after the headers',
    inject: sequence(async (request) => await request.head(), reset),
    ...beforeFirstByte(failedWithin),
  },
  {
    name: 'reset in the first line',
    inject: sequence(async (request) => {
      await request.head();
      await request.send(request.script.parts[0].subarray(0, 20));
    }, reset),
    ...beforeFirstByte(failedWithin),
    passedThrough: always('cut off'),
  },
  {
    name: 'reset after the first line',
    inject: sequence(throughFirstLine, reset),
    ...betweenLines(502, 'upstream_incomplete'),
  },
  {
    name: 'reset in the middle of a line',
    inject: sequence(throughHalfLine, reset),
    ...midLine(502, 'upstream_incomplete'),
  },
  {
    name: 'reset in the middle of a character',
    inject: sequence(throughHalfCharacter, reset),
    ...midLine(502, 'upstream_incomplete'),
  },
  { name: 'close before the headers', inject: halfClose, ...beforeFirstByte(failedBefore) },
  {
    name: 'close in the middle of a line',
    inject: sequence(throughHalfLine, halfClose),
    ...midLine(502, 'upstream_incomplete'),
  },
  {
    name: 'close before Content-Length bytes',
    inject: sequence(
      async (request) => await request.raw('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n'),
      halfClose,
    ),
    ...beforeFirstByte(failedWithin),
  },
  { name: 'stall before the headers', inject: neverAnswer, ...beforeFirstByte('504 upstream_timeout') },
  {
    name: 'stall after the headers',
    inject: async (request) => await request.head(),
    ...beforeFirstByte('504 upstream_idle_timeout'),
  },
  {
    name: 'stall after a comment',
    inject: sequence(async (request) => await request.head(), sendNothing),
    ...beforeFirstByte('504 upstream_idle_timeout'),
  },
  { name: 'stall after the first line', inject: throughFirstLine, ...betweenLines(504, 'upstream_idle_timeout') },
  { name: 'stall in the middle of a line', inject: throughHalfLine, ...midLine(504, 'upstream_idle_timeout') },
  {
    name: 'status 400',
    inject: errorAnswer(400, 'temperature is odd'),
    message: /temperature is odd/,
    ...errorStatus('400 invalid_value'),
  },
  {
    name: 'status 404',
    inject: errorAnswer(404, "model 'x' not found"),
    message: /model 'x' not found/,
    ...errorStatus('404 model_not_found'),
  },
  {
    name: 'status 429',
    inject: errorAnswer(429, 'slow down', { 'retry-after': '7' }),
    ...errorStatus('429 upstream_busy'),
  },
  { name: 'status 500', inject: errorAnswer(500, 'the runner failed'), ...errorStatus(failedBefore) },
  {
    name: 'status 500 without a body',
    inject: answering(500, ''),
    ...errorStatus(failedBefore),
  },
  {
    name: 'status 502 with an HTML page',
    inject: answering(502, htmlPage, { 'content-type': 'text/html' }),
    ...errorStatus(failedBefore),
  },
  { name: 'status 503', inject: errorAnswer(503, 'server busy'), ...errorStatus('503 upstream_busy') },
  {
    name: 'redirect',
    inject: answering(302, '', { location: 'http://127.0.0.1:9/' }),
    ...beforeFirstByte(failedBefore),
    connectionReusable: true,
  },
  {
    name: 'response that is not HTTP',
    inject: sequence(raw('SSH-2.0-OpenSSH_9.9\r\n'), halfClose),
    ...beforeFirstByte(failedBefore),
  },
  {
    name: 'endless headers',
    inject: raw(`HTTP/1.1 200 OK\r\n${`x-filler: ${'x'.repeat(1000)}\r\n`.repeat(40)}`),
    ...beforeFirstByte(failedBefore),
  },
  {
    name: 'invalid chunk size',
    inject: async (request) => {
      await throughFirstLine(request);
      await request.raw('zz\r\noops\r\n');
    },
    ...betweenLines(502, 'upstream_incomplete'),
  },
  {
    name: 'body that is not JSON',
    inject: answering(200, htmlPage, { 'content-type': 'text/html' }),
    ...unparsed(always(unreadable)),
    connectionReusable: true,
  },
  {
    name: 'line that is not JSON',
    inject: async (request) =>
      await withExtraLine(request, request.path.startsWith('/api/') ? '{"oops\n' : 'data: {"oops\n\n'),
    ...unparsed({ streamed: 'event upstream_protocol_error', whole: unreadable }),
  },
  {
    name: 'line over the size limit',
    inject: async (request) => await withExtraLine(request, `${'data: '.repeat(64 * 1024)}\n\n`),
    ...unparsed({ streamed: 'event upstream_protocol_error', whole: unreadable }),
  },
  { name: 'invalid UTF-8', inject: withInvalidUtf8, ...beforeFirstByte('complete'), connectionReusable: true },
  {
    name: 'wrong content type',
    inject: async (request) => {
      await request.head(200, { 'content-type': 'text/html' });
      for (const part of request.script.parts) await request.send(part);
      await request.end();
    },
    ...beforeFirstByte('complete'),
    connectionReusable: true,
  },
  {
    name: 'missing content type',
    inject: async (request) => {
      await request.raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      for (const part of request.script.parts) await request.send(part);
      await request.end();
    },
    ...beforeFirstByte('complete'),
    connectionReusable: true,
  },
  {
    name: 'error as the first line',
    inject: async (request) => {
      await request.head();
      await request.send(request.script.failure);
      await request.end();
    },
    ...unparsed(always(failedBefore)),
  },
  {
    name: 'error line in mid-stream',
    message: new RegExp(failureMessage),
    inject: async (request) => {
      await throughFirstLine(request);
      await request.send(request.script.failure);
      await request.end();
    },
    ...unparsed({ streamed: 'event upstream_error', whole: failedBefore }),
  },
  {
    name: 'end without a done line',
    inject: withoutDoneLine,
    translated: { streamed: 'event upstream_incomplete', whole: failedWithin },
    passedThrough: { streamed: 'event upstream_incomplete', whole: 'unchanged' },
    connectionReusable: true,
  },
  {
    name: 'garbage after the done line',
    inject: async (request) => await withTrailingGarbage(request, '{"oops\n\ndata: {"oops\n\n'),
    ...unparsed(always('complete')),
    connectionReusable: true,
  },
  {
    name: 'garbage after the response',
    inject: sequence(answerCompletely, (request) => void request.raw('HTTP/1.1 200 oops\r\n\r\n{"oops"}')),
    ...beforeFirstByte('complete'),
  },
  {
    name: 'endless response',
    inject: sendEndlessly,
    translated: { streamed: 'client left', whole: unreadable },
    passedThrough: always('client left'),
    clientLeaves: true,
  },
];

/** @returns what clients of `dialect` get when the upstream fails in this way */
export function expectedOutcome(fault: Fault, { kind, passedThrough }: Dialect, streamed: boolean): Outcome {
  const openai = kind === 'openai' ? fault.passedThroughOpenai : undefined;
  const outcomes = passedThrough ? (openai ?? fault.passedThrough) : fault.translated;
  return outcomes[streamed ? 'streamed' : 'whole'];
}

/** @returns an outcome in words, as the table and the names of tests show it */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome) {
    case 'complete':
      return 'the complete response';
    case 'unchanged':
      return "the upstream's bytes, unchanged";
    case 'cut off':
      return 'a connection closed before the end';
    case 'client left':
      return 'data until the client leaves';
    default: {
      const [kind, code] = outcome.split(' ');
      return kind === 'event' ? `error event \`${code}\`` : `status ${kind} \`${code}\``;
    }
  }
}
