import type { ResourceProtocol } from '../chat/protocol.ts';
import { parseJson } from '../http/request-body.ts';
import { type RequestHandler, sendJson, sendText } from '../http/respond.ts';
import { anonymous } from '../policy/keys.ts';
import type { Services } from '../services.ts';
import { rejectDroppedFields } from './steps/dropped-fields.ts';

/** Answers a request that needs no upstream. */
export function resourceHandler(protocol: ResourceProtocol, { config, droppedFields }: Services): RequestHandler {
  return async (c, body) => {
    const { key, admitted } = c.get('exchange');
    let dropped: readonly string[] = [];
    const answer = await protocol.answer({
      id: c.req.param('id') ?? '',
      item: c.req.param('item') ?? '',
      query: new URL(c.req.url).searchParams,
      body: () => (body.length === 0 ? {} : parseJson(body)),
      owner: key?.name ?? '',
      // All requests without a key have the same owner, so each address gets its own quota.
      quota: key === anonymous ? admitted?.owner : undefined,
      report: (fields) => {
        if (config.strict) rejectDroppedFields(fields);
        dropped = fields;
      },
    });
    if (typeof answer === 'string') return sendText(c, answer);
    return sendJson(c, 200, answer, droppedFields.headers(dropped));
  };
}
