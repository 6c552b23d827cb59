import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { native, ollama } from './live.ts';
import { anthropicSdk } from './python/anthropic-sdk.ts';
import { type Behind, type Expected, type Truth, truth } from './python/expected.ts';
import { langchainChat } from './python/langchain-chat.ts';
import { litellmRoutes } from './python/litellm-routes.ts';
import { ollamaSdk } from './python/ollama-sdk.ts';
import { openaiSdk } from './python/openai-sdk.ts';
import { type Outcome, noPython, outcomes } from './python/program.ts';

const programs: Readonly<Record<string, (known: Truth, behind: Behind) => Expected>> = {
  'openai_sdk.py': openaiSdk,
  'anthropic_sdk.py': anthropicSdk,
  'ollama_sdk.py': ollamaSdk,
  'litellm_routes.py': litellmRoutes,
  'langchain_chat.py': langchainChat,
};

/** The abort cases see by the time a model stays loaded that a request has ended, and by num_ctx which runner it had. */
const models = [{ match: 'scripted-long*', pin: { num_ctx: 8192 }, keep_alive: '1h' }];

const known: Truth = noPython === false ? await truth() : { utf8: '', vectors: [], oldVector: [] };

for (const behind of ['ollama', 'openai'] as const) {
  for (const [file, expect] of Object.entries(programs)) {
    suite(`${file} before ${behind === 'ollama' ? 'Ollama' : 'an OpenAI API'}`, { skip: noPython }, () => {
      const expected = expect(known, behind);
      const given = new Map<string, Outcome>();
      const gateways: TestGateway[] = [];

      before(async () => {
        const last = await testGateway({ url: ollama }, { models });
        gateways.push(last);
        if (behind === 'openai') {
          gateways.unshift(
            await testGateway(last, { upstream: { kind: 'openai', url: `${last.url}/v1`, key: secret } }),
          );
        }
        for (const outcome of await outcomes(file, gateways[0] ?? assert.fail())) given.set(outcome.case, outcome);
      });
      after(async () => {
        for (const gateway of gateways) await gateway.close();
        // An hour is long.
        await native('/api/generate', { model: 'scripted-long', keep_alive: 0 });
      });

      test('these are its cases', () => {
        assert.deepEqual([...given.keys()], Object.keys(expected));
      });

      for (const [name, values] of Object.entries(expected)) {
        test(name, () => {
          assert.deepEqual(given.get(name), { case: name, ok: true, values });
        });
      }

      test('every gateway saw the client of an abort leave', () => {
        const aborts = Object.keys(expected).filter((name) => name.endsWith('abort'));
        for (const { log } of gateways) {
          const left = log.filter(({ outcome, model }) => outcome === 'client_closed' && model === 'scripted-long');
          assert.deepEqual(
            left.map(({ phase }) => phase),
            aborts.map(() => 'streaming'),
          );
        }
      });
    });
  }
}
