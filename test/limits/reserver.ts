/**
 * Runs as a process of its own and reserves: arguments are the URL of Valkey, the time, and the number of requests. Waits
 * for a line on stdin before it begins; prints how many requests were admitted.
 */
import { once } from 'node:events';
import { Limiter } from '../../src/limits/limiter.ts';
import { connectValkey } from '../../src/store/valkey.ts';

const [url = '', now = '', times = ''] = process.argv.slice(2);
const valkey = await connectValkey(url);
const limiter = new Limiter({ valkey, whenDown: 'closed', now: () => Number(now) });
process.stdout.write('ready\n');
await once(process.stdin, 'data');

const subjects = [{ id: 'key:alice', label: 'alice', limits: { requestsPerMinute: 40, tokensPerDay: 1_000_000 } }];
const outcomes = await Promise.allSettled(Array.from({ length: Number(times) }, () => limiter.reserve(subjects, 10)));
process.stdout.write(`${outcomes.filter(({ status }) => status === 'fulfilled').length}\n`);
valkey.disconnect();
process.stdin.destroy();
