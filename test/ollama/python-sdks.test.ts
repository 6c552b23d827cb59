import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { native, ollama } from './live.ts';
import { anthropicSdk } from './python/anthropic-sdk.ts';
import { type Backend, type Expected, type Reference, askReference } from './python/expected.ts';
import { langchainChat } from './python/langchain-chat.ts';
import { langchainOpenaiDefaults } from './python/langchain-openai-defaults.ts';
import { litellmRoutes } from './python/litellm-routes.ts';
import { ollamaSdk } from './python/ollama-sdk.ts';
import { openaiSdk } from './python/openai-sdk.ts';
import { type Outcome, noPython, outcomes } from './python/program.ts';

const programs: Readonly<Record<string, (reference: Reference, backend: Backend) => Expected>> = {
  'openai_sdk.py': openaiSdk,
  'anthropic_sdk.py': anthropicSdk,
  'ollama_sdk.py': ollamaSdk,
  'litellm_routes.py': litellmRoutes,
  'langchain_chat.py': langchainChat,
  'langchain_openai_defaults.py': langchainOpenaiDefaults,
};

/** The abort cases recognize by keep_alive that a request has ended, and by num_ctx which runner it had. */
const models = [{ match: 'scripted-long*', pin: { num_ctx: 8192 }, keep_alive: '1h' }];

const reference: Reference =
  noPython === false ? await askReference() : { utf8: '', vectors: [], oldVector: [], available: '' };

for (const backend of ['ollama', 'openai'] as const) {
  for (const [file, expect] of Object.entries(programs)) {
    suite(`${file} in front of ${backend === 'ollama' ? 'Ollama' : 'an OpenAI API'}`, { skip: noPython }, () => {
      const expected = expect(reference, backend);
      const outcomesByCase = new Map<string, Outcome>();
      const gateways: TestGateway[] = [];

      before(async () => {
        const last = await testGateway({ url: ollama }, { models });
        gateways.push(last);
        if (backend === 'openai') {
          gateways.unshift(
            await testGateway(last, { upstream: { kind: 'openai', url: `${last.url}/v1`, key: secret } }),
          );
        }
        for (const outcome of await outcomes(file, gateways[0] ?? assert.fail()))
          outcomesByCase.set(outcome.case, outcome);
      });
      after(async () => {
        for (const gateway of gateways) await gateway.close();
        // Otherwise it stays loaded for an hour.
        await native('/api/generate', { model: 'scripted-long', keep_alive: 0 });
      });

      test('the program ran every case', () => {
        assert.deepEqual([...outcomesByCase.keys()], Object.keys(expected));
      });

      for (const [name, values] of Object.entries(expected)) {
        test(`case ${name} has the expected values`, () => {
          assert.deepEqual(outcomesByCase.get(name), { case: name, ok: true, values });
        });
      }

      test('every gateway logged the disconnects of the abort cases', () => {
        const aborts = Object.keys(expected).filter((name) => name.endsWith('abort'));
        for (const { log } of gateways) {
          const disconnects = log.filter(
            ({ outcome, model }) => outcome === 'client_closed' && model === 'scripted-long',
          );
          assert.deepEqual(
            disconnects.map(({ phase }) => phase),
            aborts.map(() => 'streaming'),
          );
        }
      });
    });
  }
}
