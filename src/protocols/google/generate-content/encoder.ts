import type { ChatEvent, FinishReason } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import { serverTiming } from '../../../chat/server-timing.ts';
import type { Encoder, TotalUsage } from '../../../chat/stream.ts';
import type { GatewayError } from '../../../errors.ts';
import { jsonLine } from '../../../framing/json.ts';
import { sseData } from '../../../framing/sse.ts';
import { googleErrors } from '../error.ts';
import { type AnswerPart, toCallPart, toFinishReason, toUsageMetadata } from './response.ts';

const textStart = '{"candidates":[{"content":{"parts":[{"text":';

/**
 * Encodes events as responses with a part each. All but a token's text is serialised once, so a token costs one JSON.stringify
 * of its text.
 *
 * @see https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
 */
abstract class ContentEncoder implements Encoder {
  readonly #end: string;
  readonly #versions: object;
  #reason: FinishReason = 'stop';

  constructor({ id, model }: AnswerHead) {
    this.#versions = { modelVersion: model, responseId: id };
    this.#end = `],"role":"model"},"index":0}],${JSON.stringify(this.#versions).slice(1)}`;
  }

  write(event: ChatEvent): string {
    switch (event.type) {
      case 'text':
        return event.text === '' ? '' : this.record(`${textStart}${jsonLine(event.text)}}${this.#end}`);
      case 'reasoning':
        return event.text === '' ? '' : this.record(`${textStart}${jsonLine(event.text)},"thought":true}${this.#end}`);
      case 'tool-call':
        return this.record(this.response([toCallPart(event)], {}));
      case 'finish':
        this.#reason = event.reason;
        return '';
      default:
        return event satisfies never;
    }
  }

  /** The last response has the usage, and a part because SDKs take a content without parts for a broken answer. */
  end({ usage, timings }: TotalUsage): string {
    const timing = serverTiming(timings);
    const finishReason = toFinishReason(this.#reason);
    const last = this.response(
      [{ text: '' }],
      { finishReason },
      { usageMetadata: toUsageMetadata(usage), ...(timing !== '' && { comment: `server-timing: ${timing}` }) },
    );
    return this.record(last) + this.close();
  }

  abstract fail(error: GatewayError): string;

  /** @returns the text of one response in the stream */
  protected abstract record(json: string): string;

  protected abstract close(): string;

  protected response(parts: readonly AnswerPart[], fields: object, more: object = {}): string {
    const candidate = { content: { parts, role: 'model' }, ...fields, index: 0 };
    return jsonLine({ candidates: [candidate], ...more, ...this.#versions });
  }
}

/**
 * The stream with `alt=sse`. It has no end mark, and no comments: the SDK in Gemini CLI 0.61 waits for ever behind one, and
 * Google's first SDK for JavaScript does not skip empty lines either.
 *
 * @see https://github.com/googleapis/js-genai/blob/v1.30.0/src/_api_client.ts
 */
export class EventEncoder extends ContentEncoder {
  /** Older SDKs of Google do not look for an error in an event. */
  readonly breaksConnection = true;

  fail(error: GatewayError): string {
    return sseData(jsonLine(googleErrors.body(error)));
  }

  /** Google's own servers send an error like this, and its SDKs for JavaScript before 2.0 know no other. */
  failApart(error: GatewayError): string {
    return `${jsonLine(googleErrors.body(error))}\n\n`;
  }

  protected record(json: string): string {
    return sseData(json);
  }

  keepAlive(): string {
    return this.record(this.response([{ text: '' }], {}));
  }

  comment(text: string): string {
    return this.record(this.response([{ text: '' }], {}, { comment: text }));
  }

  protected close(): string {
    return '';
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

  protected close(): string {
    return ']\n';
  }
}
