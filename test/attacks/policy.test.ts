import { secretText, showsSecret, thought } from '../helpers/faithful-ollama/index.ts';
import { attack } from './attack.ts';
import { key, secrets } from './target.ts';

// A key, a rule or a setting decides about one thing, and the upstream does another.

const messages = '"messages":[{"role":"user","content":"x"}]';

/** Routes that run or show a model, with the rest of a body for each. */
const routes: Readonly<Record<string, string>> = {
  '/api/chat': `"stream":false,${messages}`,
  '/api/generate': '"stream":false,"prompt":"x"',
  '/api/embed': '"input":"x"',
  '/api/embeddings': '"prompt":"x"',
  '/api/show': '"verbose":false',
  '/v1/chat/completions': messages,
  '/v1/completions': '"prompt":"x"',
  '/v1/embeddings': '"input":"x"',
  '/v1/responses': '"input":"x"',
  '/v1/messages': `"max_tokens":20,${messages}`,
  '/v1/messages/count_tokens': messages,
};

/** Fields that name the model `secret` to a reader, and another model, or none, to another reader. */
const ambiguous = [
  '"model":"secret","model":null',
  '"model":"secret","model":"plain"',
  '"model":"plain","model":"secret"',
  '"model":"plain","MODEL":"secret"',
  '"MODEL":"secret","model":"plain"',
  '"Model":"secret"',
  '"model":"plain","Model":"secret","model":null',
  '"model":"secret","Model":null',
  '"model":"plain","\\u006dodel":"secret"',
  '"model":"plain","name":"secret"',
  '"name":"plain","model":"secret"',
  '"model":"","name":"secret"',
  '"name":"secret","name":null,"model":null',
  '"model":null,"Name":"secret"',
  '"model":"secret","__proto__":{"model":"plain"}',
];

attack(
  'a body that two parsers read differently does not reach a forbidden model',
  { config: { keys: [key('limited', { models: ['plain*', 'vector*'] }), key('victim')] } },
  async ({ send, ollama }) => {
    const through: string[] = [];
    let tried = 0;
    for (const [path, rest] of Object.entries(routes)) {
      const bodies = [
        ...ambiguous.flatMap((fields) => [`{${fields},${rest}}`, `{${rest},${fields}}`]),
        `{"model":"secret",${rest}}{"model":"plain"}`,
        `{"model":"secret",${rest}} trailing`,
      ];
      for (const body of bodies) {
        const before = ollama.runs.length;
        const { text } = await send({ path, body });
        tried += 1;
        const reached = ollama.runs.slice(before).some(({ model }) => model === 'secret:latest');
        if (reached || showsSecret(text)) through.push(`${path} ${body.slice(0, 50)}`);
      }
    }
    const allowed = await send({ path: '/api/chat', body: `{"model":"plain",${routes['/api/chat']}}` });
    return {
      held: through.length === 0 && allowed.status === 200,
      figures: `${through.length} of ${tried} reach it (none); the allowed model: ${allowed.status} ${through.slice(0, 3).join('; ')}`,
    };
  },
);

/** Names that Ollama resolves to `secret`, or that look as if a pattern allowed them. */
const spellings = [
  'secret',
  'SECRET:Latest',
  ' secret',
  'secret ',
  '\tsecret',
  'secret:local',
  'library/secret',
  'Registry.Ollama.AI/library/secret:latest',
  'https://registry.ollama.ai/library/secret',
  'plain://registry.ollama.ai/library/secret',
  'plain://registry.ollama.ai/library/secret:latest',
  'plain/x://registry.ollama.ai/library/secret',
  'ollama/secret',
  'ollama/ollama/secret',
  'OLLAMA/secret',
  'ollama/plain://registry.ollama.ai/library/secret',
  'plain\u0000://registry.ollama.ai/library/secret',
];

attack(
  'another spelling of a forbidden model does not reach it',
  { config: { keys: [key('limited', { models: ['plain*'] }), key('other', { models: ['ol*', 'https*', 'lib*'] })] } },
  async ({ send, ollama }) => {
    const through: string[] = [];
    let tried = 0;
    for (const as of [secrets.limited, secrets.other]) {
      for (const [path, rest] of Object.entries(routes)) {
        for (const model of spellings) {
          const before = ollama.runs.length;
          const { text } = await send({ path, as, body: `{"model":${JSON.stringify(model)},${rest}}` });
          tried += 1;
          const reached = ollama.runs.slice(before).some((run) => run.model === 'secret:latest');
          if (reached || showsSecret(text)) through.push(`${path} ${JSON.stringify(model)}`);
        }
      }
    }
    const allowed = await send({ path: '/api/chat', body: `{"model":"library/plain",${routes['/api/chat']}}` });
    return {
      held: through.length === 0 && allowed.status === 200,
      figures: `${through.length} of ${tried} reach it (none); the allowed model: ${allowed.status} ${through.slice(0, 3).join('; ')}`,
    };
  },
);

attack(
  'a key sees on no route what it may not use',
  { config: { keys: [key('limited', { models: ['plain*'] })], aliases: { fast: 'secret' } } },
  async ({ send }) => {
    const paths = [
      '/v1/models',
      '/api/tags',
      '/api/ps',
      '/v1/models/secret',
      '/v1/models/secret:latest',
      '/v1/models/library%2Fsecret',
      '/v1/models/plain%3A%2F%2Fregistry.ollama.ai%2Flibrary%2Fsecret',
      '/v1/models/fast',
    ];
    const seen: string[] = [];
    for (const path of paths) {
      const { status, text } = await send({ path });
      const shown = path.includes('/models/') ? status === 200 : /"(?:secret|fast|tiny)/.test(text);
      if (shown) seen.push(`${path} ${status}`);
    }
    return { held: seen.length === 0, figures: `${seen.length} of ${paths.length} show it (none) ${seen.join(', ')}` };
  },
);

/** Fields of options that ask for more than the rule allows. */
const greedy = [
  '"options":{"num_predict":40,"num_ctx":65536}',
  '"options":{"num_predict":5},"options":{"num_predict":40,"num_ctx":65536}',
  '"options":{"num_predict":40,"num_ctx":65536},"options":null',
  '"options":{},"OPTIONS":{"num_predict":40,"num_ctx":65536}',
  '"Options":{"num_predict":40,"num_ctx":65536},"options":{}',
  '"options":{"num_predict":5,"num_ctx":1,"num_predict":40,"num_ctx":65536}',
  '"options":{"num_predict":-1,"num_ctx":65536},"keep_alive":"10h"',
  '"keep_alive":"10h","Keep_Alive":-1',
];

attack(
  'no spelling of a model, and no repeated field, evades a rule for the model',
  {
    config: { models: [{ match: 'tiny*', max_tokens: 5, pin: { num_ctx: 2048 }, keep_alive: '10m' }] },
    ollama: { tokens: 40 },
  },
  async ({ send, ollama }) => {
    const evaded: string[] = [];
    let tried = 0;
    for (const model of [
      'tiny',
      'TINY',
      'library/tiny',
      'registry.ollama.ai/library/tiny:latest',
      'x://registry.ollama.ai/library/tiny',
    ]) {
      for (const path of ['/api/chat', '/api/generate', '/v1/chat/completions', '/v1/completions']) {
        for (const fields of path.startsWith('/api')
          ? greedy
          : ['"max_tokens":40', '"max_tokens":5,"max_tokens":40', ...greedy]) {
          const before = ollama.runs.length;
          await send({ path, body: `{"model":"${model}",${fields},${routes[path]}}` });
          tried += 1;
          for (const run of ollama.runs.slice(before)) {
            if (run.model !== 'tiny:latest' || run.path === '/api/show') continue;
            const options = (run.fields['options'] ?? {}) as { num_predict?: number; num_ctx?: number };
            const { num_predict: predict = -1, num_ctx: context } = options;
            const kept = run.fields['keep_alive'];
            // A rule in seconds or as text means the same.
            const keeps = kept === '10m' || kept === 600 || kept === '600s' || kept === '10m0s';
            if (predict < 0 || predict > 5 || context !== 2048 || !keeps) evaded.push(`${path} ${model} ${fields}`);
          }
        }
      }
    }
    return {
      held: evaded.length === 0,
      figures: `${evaded.length} of ${tried} evade it (none) ${evaded.slice(0, 3).join('; ')}`,
    };
  },
);

attack(
  'a key with hide_thinking sees no thinking on any route',
  { config: { keys: [key('limited', { hide_thinking: true })] }, ollama: { thinking: true } },
  async ({ send }) => {
    const shown: string[] = [];
    let answered = 0;
    const generating = ['/api/chat', '/api/generate', '/v1/chat/completions', '/v1/responses', '/v1/messages'];
    for (const path of generating) {
      for (const fields of [
        '"stream":true',
        '"stream":false',
        '"stream":true,"think":true',
        '"stream":false,"Think":true,"think":true',
      ]) {
        const rest = routes[path]?.replace('"stream":false,', '');
        const { text } = await send({ path, body: `{"model":"plain",${fields},${rest}}` });
        if (text.includes(thought)) shown.push(`${path} ${fields}`);
        if (text.includes('heron')) answered += 1;
      }
    }
    return {
      held: shown.length === 0 && answered >= 2 * generating.length,
      figures: `${shown.length} of ${4 * generating.length} show it (none), ${answered} are answered ${shown.slice(0, 3).join('; ')}`,
    };
  },
);

attack(
  'an alias opens no model to a key whose pattern does not match the alias',
  {
    config: {
      aliases: { fast: 'secret' },
      keys: [key('limited', { models: ['plain*'] }), key('victim', { models: ['fast'] })],
    },
  },
  async ({ send }) => {
    const body = `{"model":"fast",${routes['/api/chat']}}`;
    const other = await send({ path: '/api/chat', body });
    const own = await send({ path: '/api/chat', as: secrets.victim, body });
    const behind = await send({ path: '/api/chat', as: secrets.victim, body: body.replace('fast', 'secret') });
    return {
      held: other.status === 403 && own.text.includes(secretText) && behind.status === 403,
      figures: `alias by the other key ${other.status} (403), by its own ${own.status} (200), the model behind it ${behind.status} (403)`,
    };
  },
);
