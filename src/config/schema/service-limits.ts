import { z } from 'zod';
import { size, timeout } from './values.ts';

/** `limits`: upper bounds that protect the process itself. The limits of a key or a group are in `groups.ts`. */
export const limits = z
  .strictObject({
    body: size
      .prefault('20MiB')
      .describe('Maximum size of a request body. Images and the longest contexts fit: a token has about four bytes.'),
    bodies_total: size
      .prefault('64MiB')
      .describe(
        'Memory for the bodies of all requests under way, at least twice `body`; the requests of one key get half of it. A request that needs more gets a 503.',
      ),
    line: size.prefault('8MiB').describe('Maximum size of one line of an upstream response.'),
    in_flight: z
      .int()
      .min(1)
      .max(100_000)
      .default(1024)
      .describe(
        'Maximum number of requests at a time, for all keys; one more gets a 503. A key has at most a quarter of them, unless its group sets `in_flight`; one more gets a 429.',
      ),
    choices: z
      .int()
      .min(1)
      .max(128)
      .default(8)
      .describe('Maximum number of choices of one request: its n multiplied by its prompts.'),
    depth: z
      .int()
      .min(16)
      .max(1000)
      .default(128)
      .describe('Maximum nesting of objects and arrays in a JSON body; a deeper one gets a 400.'),
    values: z
      .int()
      .min(1_000)
      .max(100_000_000)
      .default(200_000)
      .describe(
        'Maximum number of values in a JSON body: objects, arrays and everything in them. A body with more gets a 400. One for /v1/embeddings may have 300,000 more, as tokens.',
      ),
    fields: z
      .int()
      .min(100)
      .max(1_000_000)
      .default(10_000)
      .describe('Maximum number of fields of one object in a JSON body; a body with more gets a 400.'),
    connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe(
        'Maximum number of connections at a time. One more takes the place of an idle one, or is closed at once.',
      ),
    connections_per_address: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(2000)
      .describe('The same for the connections from one IPv4 address or one /64 network of IPv6.'),
  })
  .superRefine(({ body, bodies_total: total }, context) => {
    if (total >= 2 * body) return;
    const message = 'limits.bodies_total must be at least twice limits.body: one key may hold only half of it';
    context.addIssue({ code: 'custom', path: ['bodies_total'], message });
  });

/** `timeouts`: the deadlines of requests and of shutdown. */
export const timeouts = z.strictObject({
  body: timeout.prefault('60s').describe('Time to receive a request body.'),
  connect: timeout.prefault('5s').describe('Time to open a connection to an upstream.'),
  first_byte: timeout
    .prefault('30m')
    .describe(
      'Time until an upstream starts to respond. Loading a large model from a slow disk takes minutes, and so does waiting in the queue of a busy server.',
    ),
  idle: timeout
    .prefault('5m')
    .describe(
      'Longest pause between two chunks of a response, from the upstream and to the client. For requests with tools or a response format the upstream may pause as long as `first_byte`: servers hold back a tool call until it is complete.',
    ),
  first_token: z
    .union([z.literal('auto'), timeout], 'expected auto, or a duration such as 30s or 5m')
    .prefault('auto')
    .describe(
      'Time from when a request is sent to an upstream until the first part of the response, including loading the model. The request is then sent to another upstream, if there is one. auto: 2 minutes and 50 ms for each token of the prompt, and the time to load the model: none for a model in memory, three times the slowest load that the upstream has reported for it, or else 10 minutes; longer while the upstream answers other requests. A response that is passed through and not streamed is not limited by auto. 0s: no timeout.',
    ),
  total: timeout
    .prefault('0s')
    .describe('Time for a request and its complete response, including waiting. 0s: no timeout.'),
  queue: timeout.prefault('10m').describe('Time that a request can wait in the queue.'),
  silence: timeout
    .prefault('10s')
    .describe(
      'Whenever an SSE stream has nothing to send for this long, before or within its answer, it gets a heartbeat, so that neither clients nor proxies time out. 0s: never.',
    ),
  drain: timeout
    .prefault('0s')
    .describe(
      'Time from SIGTERM until new requests are rejected. During it /readyz is 503, so that a load balancer can react. For Kubernetes: 5s.',
    ),
  grace: timeout.prefault('30s').describe('Time after that for running responses to finish.'),
});
