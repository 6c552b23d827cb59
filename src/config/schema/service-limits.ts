import { z } from 'zod';
import { size, timeout } from './values.ts';

/** `limits`: upper bounds that protect the process itself. The limits of a key or a group are in `groups.ts`. */
export const limits = z.strictObject({
  body: size.prefault('64MiB').describe('A request body.'),
  line: size.prefault('8MiB').describe('One line of an upstream answer.'),
  in_flight: z
    .int()
    .min(1)
    .max(100_000)
    .default(1024)
    .describe('Requests at a time, over all keys. One more gets a 503.'),
  choices: z.int().min(1).max(128).default(8).describe('Answers to one request: its n, times its prompts.'),
  depth: z.int().min(16).max(1000).default(128).describe('Objects and arrays of a JSON body within each other.'),
  connections: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Connections at a time, idle ones included. One more is closed at once.'),
});

/** `timeouts`: the deadlines of requests and of shutdown. */
export const timeouts = z.strictObject({
  body: timeout.prefault('60s').describe('To receive a whole request body.'),
  connect: timeout.prefault('5s').describe('To open a connection to the upstream.'),
  first_byte: timeout
    .prefault('30m')
    .describe(
      'Until the upstream answers. Loading a large model from a slow disk takes minutes, and so does waiting for a busy one.',
    ),
  idle: timeout.prefault('5m').describe('Between two pieces of an answer, from the upstream and to a client.'),
  first_token: timeout
    .prefault('0s')
    .describe(
      'From its turn at the upstream until something of an answer came, loading the model included; 0s for any time.',
    ),
  total: timeout.prefault('0s').describe('For a request and its whole answer, waiting included; 0s for any time.'),
  queue: timeout.prefault('10m').describe('For a turn, where `parallel` requests are under way.'),
  silence: timeout
    .prefault('10s')
    .describe('Until a stream that has nothing yet says so in a comment, and between such comments; 0s for never.'),
  drain: timeout
    .prefault('0s')
    .describe(
      'From SIGTERM until nothing new is taken: time for a load balancer to see that /readyz is 503. Kubernetes: 5s.',
    ),
  grace: timeout.prefault('30s').describe('For running answers to finish after that.'),
});
