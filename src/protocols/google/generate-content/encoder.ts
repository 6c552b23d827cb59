import type { ChatEvent, FinishReason } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { Citation, Search, SearchEvent } from '../../../chat/search.ts';
import { serverTiming } from '../../../chat/server-timing.ts';
import type { Encoder, TotalUsage } from '../../../chat/stream.ts';
import type { GatewayError } from '../../../errors.ts';
import { jsonLine } from '../../../framing/json.ts';
import { sseData } from '../../../framing/sse.ts';
import { googleErrors } from '../error.ts';
import { toGrounding } from './grounding.ts';
import { type AnswerPart, toCallPart, toFinishReason, toUsageMetadata } from './response.ts';

/** What came of an answer that may search the web. */
interface Grounds {
  readonly searches: Search[];
  citations: readonly Citation[];
  text: string;
}

const textStart = '{"candidates":[{"content":{"parts":[{"text":';

/**
 * Encodes events as responses with a part each. All but a token's text is serialised once, so a token costs one JSON.stringify
 * of its text.
 *
 * @see https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
 */
abstract class ContentEncoder implements Encoder {
  readonly joinsTurns = true;
  readonly #versions: object;
  readonly #grounds: Grounds | undefined;
  /** By candidate: the end of a response with a text, and why the candidate has ended. */
  readonly #ends: string[] = [];
  readonly #reasons: FinishReason[] = ['stop'];

  /** @param searches true if the answer may search the web: its text is then kept, because places in it are counted in bytes */
  constructor({ id, model }: AnswerHead, searches = false) {
    this.#versions = { modelVersion: model, responseId: id };
    if (searches) this.#grounds = { searches: [], citations: [], text: '' };
  }

  write(event: ChatEvent, index: number): string {
    switch (event.type) {
      case 'text':
        if (this.#grounds !== undefined) this.#grounds.text += event.text;
        return event.text === '' ? '' : this.record(`${textStart}${jsonLine(event.text)}}${this.#endOf(index)}`);
      case 'reasoning':
        return event.text === ''
          ? ''
          : this.record(`${textStart}${jsonLine(event.text)},"thought":true}${this.#endOf(index)}`);
      case 'tool-call':
        return this.record(this.#response([{ content: contentOf(toCallPart(event)), index }]));
      case 'finish':
        this.#reasons[index] = event.reason;
        return '';
      default:
        return event satisfies never;
    }
  }

  /** Searches are not shown before the last response, which lists them and what they found. */
  search(event: SearchEvent): string {
    if (this.#grounds === undefined) return '';
    if (event.type === 'ended') this.#grounds.searches.push(event.search);
    else if (event.type === 'cited') this.#grounds.citations = event.citations;
    return '';
  }

  /** The last response has the usage, and a part because SDKs take a content without parts for a broken answer. */
  end({ usage, timings }: TotalUsage): string {
    const timing = serverTiming(timings);
    // Clients join the parts of a stream, so that the text is counted as one.
    const grounding = this.#grounds && toGrounding({ ...this.#grounds, part: 0 });
    const candidates = this.#reasons.map((reason, index) => ({
      content: contentOf({ text: '' }),
      finishReason: toFinishReason(reason),
      index,
      ...(grounding && { groundingMetadata: grounding }),
    }));
    const comment = timing === '' ? {} : { comment: `server-timing: ${timing}` };
    return (
      this.record(this.#response(candidates, { usageMetadata: toUsageMetadata(usage), ...comment })) + this.close()
    );
  }

  abstract fail(error: GatewayError): string;

  keepAlive(): string {
    return this.record(this.#empty());
  }

  comment(text: string): string {
    return this.record(this.#empty({ comment: text }));
  }

  /** @returns the text of one response in the stream */
  protected abstract record(json: string): string;

  /** @returns the text after the last response */
  protected close(): string {
    return '';
  }

  #endOf(index: number): string {
    this.#ends[index] ??= `],"role":"model"},"index":${index}}],${JSON.stringify(this.#versions).slice(1)}`;
    return this.#ends[index];
  }

  #empty(fields = {}): string {
    return this.#response([{ content: contentOf({ text: '' }), index: 0 }], fields);
  }

  #response(candidates: readonly object[], fields = {}): string {
    return jsonLine({ candidates, ...fields, ...this.#versions });
  }
}

function contentOf(part: AnswerPart): object {
  return { parts: [part], role: 'model' };
}

/**
 * The stream with `alt=sse`. It has no end mark, and no comments: the SDK in Gemini CLI 0.61 waits for ever behind one, and
 * Google's first SDK for JavaScript does not skip empty lines either.
 *
 * @see https://github.com/googleapis/js-genai/blob/v1.30.0/src/_api_client.ts
 */
export class EventEncoder extends ContentEncoder {
  /** Some SDKs do not look for an error in an event. */
  readonly breaksConnection = true;

  fail(error: GatewayError): string {
    return sseData(jsonLine(googleErrors.body(error)));
  }

  /** The form that the SDK in Gemini CLI 0.61 looks for. The CLI then shows the error or tries again, instead of ending. */
  failApart(error: GatewayError): string {
    return `${jsonLine(googleErrors.body(error))}\n\n`;
  }

  protected record(json: string): string {
    return sseData(json);
  }
}

/** The stream without `alt=sse`: one JSON array of responses. */
export class ArrayEncoder extends ContentEncoder {
  #isEmpty = true;

  fail(error: GatewayError): string {
    return `${this.#isEmpty ? '[' : ',\n'}${jsonLine(googleErrors.body(error))}]\n`;
  }

  protected record(json: string): string {
    const start = this.#isEmpty ? '[' : ',\n';
    this.#isEmpty = false;
    return start + json;
  }

  protected override close(): string {
    return ']\n';
  }
}
