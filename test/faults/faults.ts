import type { ErrorCode } from '../../src/errors.ts';
import {
  answering,
  endlessly,
  halfClose,
  hold,
  page,
  raw,
  refusing,
  reset,
  followed,
  untilFirst,
  untilMidCharacter,
  untilMidLine,
  withBadBytes,
  withDoneMissing,
  withGarbage,
  withLine,
} from './injections.ts';
import { failed } from './scripts.ts';
import { type FaultyUpstream, type Wire, wholly } from './upstream.ts';

/**
 * What a client gets: the answer as it should be, an error with a status, an error in the stream, the bytes of the
 * upstream as they are, or a broken connection.
 */
export type Outcome = 'answer' | `${number} ${ErrorCode}` | `event ${ErrorCode}` | 'as it is' | 'cut' | 'left';

interface Gets {
  readonly streamed: Outcome;
  readonly whole: Outcome;
}

/** One way for an upstream to fail. */
export interface Fault {
  readonly name: string;
  readonly inject: (wire: Wire) => void | Promise<void>;
  /** What else has to be so. */
  readonly around?: (upstream: FaultyUpstream, step: () => Promise<void>) => Promise<void>;
  /** Where a request is translated. */
  readonly translated: Gets;
  /** Where it is passed on as it is. */
  readonly passed: Gets;
  /** Where it is passed on to an upstream of kind openai, if that differs. */
  readonly passedOpenai?: Gets;
  /** What of the upstream's own words a client is told, where it is told an error. */
  readonly told?: RegExp;
  /** Whether the connection to the upstream is as good as before. */
  readonly kept?: boolean;
  /** Whether the client leaves once it has some of the answer. */
  readonly leaves?: boolean;
}

const both = (outcome: Outcome): Gets => ({ streamed: outcome, whole: outcome });
/** Nothing of an answer is there yet. */
const before = (outcome: Outcome): Pick<Fault, 'translated' | 'passed'> => ({
  translated: both(outcome),
  passed: both(outcome),
});
/** Text is there, up to the end of a line. */
const betweenLines = (status: number, code: ErrorCode): Pick<Fault, 'translated' | 'passed'> => ({
  translated: { streamed: `event ${code}`, whole: `${status} ${code}` },
  passed: { streamed: `event ${code}`, whole: 'cut' },
});
/** Text is there, and half a line: nothing can be said in what is passed on. */
const midLine = (status: number, code: ErrorCode): Pick<Fault, 'translated' | 'passed'> => ({
  ...betweenLines(status, code),
  passed: both('cut'),
});
/** What is passed on is not looked at. */
const unread = (translated: Gets): Pick<Fault, 'translated' | 'passed'> => ({ translated, passed: both('as it is') });
const refusal = (outcome: Outcome): Pick<Fault, 'translated' | 'passed' | 'passedOpenai' | 'kept'> => ({
  ...unread(both(outcome)),
  passedOpenai: both(outcome),
  kept: true,
});

const lost = ['502 upstream_error', '502 upstream_incomplete', '502 upstream_protocol_error'] as const;
const [brokeBefore, brokeWithin, unreadable] = lost;

/** Every fault, and what clients get of it. */
export const faults: readonly Fault[] = [
  {
    name: 'connection refused',
    inject: hold,
    async around(upstream, step) {
      await upstream.refuse();
      try {
        await step();
      } finally {
        await upstream.accept();
      }
    },
    ...before('502 upstream_unreachable'),
  },
  { name: 'reset before the headers', inject: reset, ...before(brokeBefore) },
  {
    name: 'reset in the headers',
    inject: followed(raw('HTTP/1.1 200 OK\r\ncontent-ty'), reset),
    ...before(brokeBefore),
  },
  {
    name: 'reset after the headers',
    inject: followed(async (wire) => await wire.head(), reset),
    ...before(brokeWithin),
  },
  {
    name: 'reset in the first line',
    inject: followed(async (wire) => {
      await wire.head();
      await wire.send(wire.script.parts[0].subarray(0, 20));
    }, reset),
    ...before(brokeWithin),
    passed: both('cut'),
  },
  {
    name: 'reset after the first line',
    inject: followed(untilFirst, reset),
    ...betweenLines(502, 'upstream_incomplete'),
  },
  {
    name: 'reset in the middle of a line',
    inject: followed(untilMidLine, reset),
    ...midLine(502, 'upstream_incomplete'),
  },
  {
    name: 'reset in the middle of a character',
    inject: followed(untilMidCharacter, reset),
    ...midLine(502, 'upstream_incomplete'),
  },
  { name: 'closed before the headers', inject: halfClose, ...before(brokeBefore) },
  {
    name: 'closed in the middle of a line',
    inject: followed(untilMidLine, halfClose),
    ...midLine(502, 'upstream_incomplete'),
  },
  {
    name: 'closed before the announced length',
    inject: followed(async (wire) => await wire.raw('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n'), halfClose),
    ...before(brokeWithin),
  },
  { name: 'silence before the headers', inject: hold, ...before('504 upstream_timeout') },
  {
    name: 'silence after the headers',
    inject: async (wire) => await wire.head(),
    ...before('504 upstream_idle_timeout'),
  },
  { name: 'silence after the first line', inject: untilFirst, ...betweenLines(504, 'upstream_idle_timeout') },
  { name: 'silence in the middle of a line', inject: untilMidLine, ...midLine(504, 'upstream_idle_timeout') },
  {
    name: '400',
    inject: refusing(400, 'temperature is odd'),
    told: /temperature is odd/,
    ...refusal('400 invalid_value'),
  },
  {
    name: '404',
    inject: refusing(404, "model 'x' not found"),
    told: /model 'x' not found/,
    ...refusal('404 model_not_found'),
  },
  { name: '429', inject: refusing(429, 'slow down', { 'retry-after': '7' }), ...refusal('429 upstream_busy') },
  { name: '500', inject: refusing(500, 'the runner failed'), ...refusal(brokeBefore) },
  { name: '502 with a page', inject: answering(502, page, { 'content-type': 'text/html' }), ...refusal(brokeBefore) },
  { name: '503', inject: refusing(503, 'server busy'), ...refusal('503 upstream_busy') },
  {
    name: 'a redirect',
    inject: answering(302, '', { location: 'http://127.0.0.1:9/' }),
    ...before(brokeBefore),
    kept: true,
  },
  { name: 'not HTTP', inject: followed(raw('SSH-2.0-OpenSSH_9.9\r\n'), halfClose), ...before(brokeBefore) },
  {
    name: 'headers without end',
    inject: raw(`HTTP/1.1 200 OK\r\n${`x-filler: ${'x'.repeat(1000)}\r\n`.repeat(40)}`),
    ...before(brokeBefore),
  },
  {
    name: 'a chunk of no length',
    inject: async (wire) => {
      await untilFirst(wire);
      await wire.raw('zz\r\noops\r\n');
    },
    ...betweenLines(502, 'upstream_incomplete'),
  },
  {
    name: 'a body that is not JSON',
    inject: answering(200, page, { 'content-type': 'text/html' }),
    ...unread(both(unreadable)),
    kept: true,
  },
  {
    name: 'a line that is not JSON',
    inject: async (wire) => await withLine(wire, wire.path.startsWith('/api/') ? '{"oops\n' : 'data: {"oops\n\n'),
    ...unread({ streamed: 'event upstream_protocol_error', whole: unreadable }),
  },
  {
    name: 'a line that is too long',
    inject: async (wire) => await withLine(wire, `${'data: '.repeat(64 * 1024)}\n\n`),
    ...unread({ streamed: 'event upstream_protocol_error', whole: unreadable }),
  },
  { name: 'bytes that are not UTF-8', inject: withBadBytes, ...before('answer'), kept: true },
  {
    name: 'another content type',
    inject: async (wire) => {
      await wire.head(200, { 'content-type': 'text/html' });
      for (const part of wire.script.parts) await wire.send(part);
      await wire.end();
    },
    ...before('answer'),
    kept: true,
  },
  {
    name: 'no content type',
    inject: async (wire) => {
      await wire.raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      for (const part of wire.script.parts) await wire.send(part);
      await wire.end();
    },
    ...before('answer'),
    kept: true,
  },
  {
    name: 'an error as the first line',
    inject: async (wire) => {
      await wire.head();
      await wire.send(wire.script.failure);
      await wire.end();
    },
    ...unread(both(brokeBefore)),
  },
  {
    name: 'an error line in mid-stream',
    told: new RegExp(failed),
    inject: async (wire) => {
      await untilFirst(wire);
      await wire.send(wire.script.failure);
      await wire.end();
    },
    ...unread({ streamed: 'event upstream_error', whole: brokeBefore }),
  },
  {
    name: 'the end without a done line',
    inject: withDoneMissing,
    translated: { streamed: 'event upstream_incomplete', whole: brokeWithin },
    passed: { streamed: 'event upstream_incomplete', whole: 'as it is' },
    kept: true,
  },
  {
    name: 'garbage after the done line',
    inject: async (wire) => await withGarbage(wire, '{"oops\n\ndata: {"oops\n\n'),
    ...unread(both('answer')),
    kept: true,
  },
  {
    name: 'garbage after the answer',
    inject: followed(wholly, (wire) => void wire.raw('HTTP/1.1 200 oops\r\n\r\n{"oops"}')),
    ...before('answer'),
  },
  {
    name: 'an answer without end',
    inject: endlessly,
    translated: { streamed: 'left', whole: unreadable },
    passed: both('left'),
    leaves: true,
  },
];
