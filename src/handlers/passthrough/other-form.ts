import type { JsonObject } from '../../chat/request.ts';
import type { GatewayError } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { parseExact } from '../../framing/json.ts';
import type { UpstreamServices } from '../../services.ts';
import type { UpstreamRequest } from '../../upstreams/http/client.ts';
import { prepareMessages } from '../steps/attachments.ts';
import type { ModelRoute } from './rewrite.ts';

/** Words of servers and chat templates that do not take a message as it is. */
const aboutHistory =
  /messages?\b|\broles?\b|system|developer|template|jinja|alternat|tool.?call|arguments|content|\bpart\b|image|audio|\bfile\b/i;
/** Words of a 5xx that is about the template: other failures are not repeated. */
const aboutTemplate = /system (message|role)|roles? must|alternat|template|jinja/i;

/** A request in another form, and the fields that it does without. */
export interface OtherForm {
  readonly request: UpstreamRequest;
  readonly dropped: readonly string[];
}

/**
 * Translates the messages of a request that a server refused because of them, as if the client used another API: templates
 * want the system message first, servers want a result for each tool call, and few take every part of a message. All other
 * fields stay as they are.
 *
 * @returns undefined when the refusal is about something else, or the messages have no other form
 */
export async function inOtherForm(
  request: UpstreamRequest,
  { readHistory }: ModelRoute,
  refusal: GatewayError,
  { services, exchange }: { readonly services: UpstreamServices; readonly exchange: Exchange },
): Promise<OtherForm | undefined> {
  if (readHistory === undefined || !isAboutHistory(refusal) || !Buffer.isBuffer(request.body)) return undefined;
  const body = parseExact(request.body.toString('utf8')) as JsonObject;
  const { messages: read, dropped: unread } = readHistory(body);
  const original = { kind: 'chat', model: exchange.model ?? '', sampling: {}, messages: read } as const;
  const { requests, dropped } = await prepareMessages([original], services, exchange);
  const { messages } = services.upstream.backend.generation(requests[0]).body as { readonly messages?: unknown };
  const text = JSON.stringify({ ...body, messages });
  if (text === JSON.stringify(body)) return undefined;
  return { request: { ...request, body: text }, dropped: [...unread, ...dropped] };
}

function isAboutHistory({ code, message, param, status }: GatewayError): boolean {
  if (status >= 500 || code === 'upstream_request_failed') return aboutTemplate.test(message);
  if (code !== 'invalid_value') return false;
  return param?.startsWith('messages') === true || aboutHistory.test(message);
}
