import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { Agent } from 'undici';
import { hashSecret } from '../../src/config/secret.ts';
import { send } from '../attacks/client.ts';
import { faithfulOllama, showsSecret } from '../helpers/faithful-ollama/index.ts';
import { testGateway } from '../helpers/gateway.ts';
import { bodies, requestTo } from './bodies.ts';
import { polluted } from './mutate.ts';
import { check } from './settings.ts';
import { mayPass, method, target } from './targets.ts';

// A key that may use one model, against every body and target that could mean another. A hundred thousand cases:
// LLAMADUCT_FUZZ_RUNS=1000000 node_modules/.bin/node --test test/fuzz/restricted.test.ts

const limited = 'ld-limited';

/** Names that mean the forbidden model to Ollama, or to somebody who reads carelessly. */
const forbidden = fc.oneof(
  fc.constantFrom(
    'secret',
    ' secret\t',
    'secret:latest',
    'secret:local',
    'library/secret',
    'registry.ollama.ai/library/secret:latest',
    'scripted-plain://registry.ollama.ai/library/secret',
    'scripted-plain/x://registry.ollama.ai/library/secret',
    'ollama/secret',
    'ollama/scripted-plain://registry.ollama.ai/library/secret',
    'scripted-plain\u0000secret',
  ),
  fc.mixedCase(fc.constantFrom('secret', 'library/secret:latest', 'https://registry.ollama.ai/library/secret')),
  fc
    .tuple(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.constantFrom('://registry.ollama.ai/library/secret', '/secret', ':secret'),
    )
    .map(([prefix, name]) => prefix + name),
);

/** Fields that name a model to Ollama, written in all ways that JSON and Go allow. */
const field = fc.oneof(
  fc.constantFrom(
    '"model"',
    '"name"',
    '"\\u006dodel"',
    '"mode\\u006C"',
    '"model "',
    '"models"',
    '"options"',
    '"Model"',
  ),
  fc.mixedCase(fc.constantFrom('model', 'name')).map((name) => JSON.stringify(name)),
);

interface Injection {
  readonly kind: 'insert' | 'replace' | 'null' | 'append';
  readonly field: string;
  readonly model: string;
  /** Which of the braces. */
  readonly at: number;
}

const injection: fc.Arbitrary<Injection> = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'replace', 'null', 'append'),
  field,
  model: forbidden,
  at: fc.nat(3),
});

/** Inserts after the brace of this number, or after the first. */
function insertAfterBrace(text: string, member: string, at: number): string {
  let index = text.indexOf('{');
  for (let n = 0; n < at; n += 1) index = Math.max(index, text.indexOf('{', index + 1));
  const rest = text.slice(index + 1);
  return `${text.slice(0, index + 1)}${member}${rest.trimStart().startsWith('}') ? '' : ','}${rest}`;
}

function injected(text: string, { kind, field: name, model, at }: Injection): string {
  const value = JSON.stringify(model);
  switch (kind) {
    case 'insert':
      return insertAfterBrace(text, `${name}:${value}`, at);
    case 'null':
      return insertAfterBrace(text, `${name}:null`, at);
    case 'replace':
      return text.replace('"scripted-plain"', () => value);
    case 'append': {
      const end = text.lastIndexOf('}');
      return end < 0 ? text : `${text.slice(0, end)},${name}:${value}${text.slice(end)}`;
    }
    default:
      return kind satisfies never;
  }
}

interface Attempt {
  readonly verb: string;
  readonly path: string;
  /** True: the path is none of the routes, and is sent byte for byte. */
  readonly isOdd: boolean;
  readonly type: string;
  readonly body: string;
}

const [first = '', ...others] = Object.keys(bodies);

const attempt = fc
  .tuple(
    requestTo([first, ...others]),
    fc.array(injection, { minLength: 1, maxLength: 3 }),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant(['POST', undefined] as const) },
      { weight: 1, arbitrary: fc.tuple(method, target) },
    ),
    fc.constantFrom('application/json', 'text/plain', 'application/json; charset=utf-16', ''),
  )
  .map(([[path, text], injections, [verb, odd], type]): Attempt => ({
    verb,
    // These would end the request line or the head.
    path: odd?.replaceAll(/[\r\n ]/g, '') ?? path,
    isOdd: odd !== undefined,
    type,
    body: injections.reduce(injected, text),
  }));

/** Sends a request over a kept connection. */
async function post(
  agent: Agent,
  url: string,
  { path, type, body }: Attempt,
): Promise<{ status: number; text: string }> {
  const { statusCode, body: response } = await agent.request({
    origin: url,
    path,
    method: 'POST',
    headers: { authorization: `Bearer ${limited}`, ...(type !== '' && { 'content-type': type }) },
    body,
    signal: AbortSignal.timeout(5000),
  });
  return { status: statusCode, text: await response.text() };
}

suite('fuzz: a restricted key', () => {
  test('reaches no other model and no route of another scope, and nothing it sends gives a 5xx', async () => {
    await using ollama = await faithfulOllama();
    await using gateway = await testGateway(ollama, {
      log_level: 'silent',
      keys: [
        { name: 'tester', hash: hashSecret('ld-a-secret-for-tests'), scopes: ['inference', 'admin', 'metrics'] },
        { name: 'limited', hash: hashSecret(limited), models: ['scripted-plain*'] },
      ],
      models: [{ match: 'scripted-plain*', max_tokens: 2, pin: { num_ctx: 2048 } }],
    });
    const agent = new Agent({ connections: 1, pipelining: 1 });
    const port = Number(new URL(gateway.url).port);
    const counts = new Map<number, number>();
    await check(
      0.1,
      fc.asyncProperty(attempt, async (sent) => {
        ollama.forget();
        const { verb, path, body, isOdd } = sent;
        const { status, text } = isOdd
          ? await send(port, { method: verb, path, body, as: limited, patience: 5000 })
          : await post(agent, gateway.url, sent);
        counts.set(status, (counts.get(status) ?? 0) + 1);
        assert.ok(status >= 200 && status < 500, `${status}: ${text.slice(0, 300)}`);
        assert.ok(!showsSecret(text), text.slice(0, 300));
        for (const { model, path: route, fields } of ollama.runs) {
          assert.ok(model === undefined || model === 'scripted-plain:latest', `${route} runs ${model}`);
          const { num_predict, num_ctx } = (fields['options'] ?? {}) as { num_predict?: number; num_ctx?: number };
          if (model === undefined || !/chat|generate/.test(route)) continue;
          assert.ok(
            num_ctx === 2048 && num_predict !== undefined && num_predict >= 0 && num_predict <= 2,
            JSON.stringify(fields['options']),
          );
        }
        for (const { method: used, url } of ollama.requests) {
          assert.ok(mayPass(used, url) && !/pull|push|create|copy|delete|blobs/.test(url), `${used} ${url}`);
        }
        assert.ok(!polluted());
      }),
    );
    await agent.destroy();
    for (const status of [200, 400, 403]) assert.ok((counts.get(status) ?? 0) > 0, JSON.stringify([...counts]));
    assert.equal(await gateway.metric('llamaduct_in_flight'), 1, 'more than the metrics request itself');
    assert.equal(ollama.open, 0);
    assert.deepEqual(
      gateway.log.filter(({ error }) => error === 'internal_error'),
      [],
    );
  });
});
