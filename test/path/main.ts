import { Session } from 'node:inspector/promises';
import { parseArgs } from 'node:util';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

// Counts the functions of src that one streamed chat runs through: V8's precise coverage of one request, after some others.

const { values } = parseArgs({ options: { list: { type: 'boolean', default: false } } });
const source = new URL('../../src/', import.meta.url).href;
const warmUp = 20;

await using upstream = await fakeUpstream(plainAnswer());
await using gateway = await testGateway(upstream);

/** Waits for the log line too, so that everything that belongs to the request has run. */
async function streamedChat(): Promise<void> {
  const ended = gateway.log.length + 1;
  const answer = await gateway.chat({ stream: true });
  const text = await answer.text();
  if (!text.endsWith('data: [DONE]\n\n')) throw new Error(`The stream is not complete: ${text}`);
  await until('the log line of the request', () => gateway.log.length >= ended);
}

for (let request = 0; request < warmUp; request += 1) await streamedChat();

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
await session.post('Profiler.takePreciseCoverage');
await streamedChat();
const { result } = await session.post('Profiler.takePreciseCoverage');
session.disconnect();

const files = result
  .filter(({ url }) => url.startsWith(source))
  .map(({ url, functions }) => ({
    file: url.slice(source.length),
    // The first function of a script is the script itself.
    functions: functions.filter(({ ranges: [range], functionName }) => {
      return range !== undefined && range.count > 0 && !(functionName === '' && range.startOffset === 0);
    }),
  }))
  .filter(({ functions }) => functions.length > 0)
  .toSorted((one, other) => one.file.localeCompare(other.file));

if (values.list) {
  for (const { file, functions } of files) {
    console.log(`${file}: ${functions.map(({ functionName }) => functionName || '(anonymous)').join(', ')}`);
  }
}
const count = files.reduce((sum, { functions }) => sum + functions.length, 0);
console.log(`${count} functions in ${files.length} files`);
