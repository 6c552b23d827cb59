import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { attack, overload } from './attack.ts';
import type { RawRequest } from './client.ts';
import { MB } from './target.ts';

// One request that costs more than it should, or makes more than was sent.

/** Just below the default of `limits.body`. */
const size = 18 * MB;
const start = '{"model":"plain","stream":false,"messages":[{"role":"user","content":"x"}]';
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
const list = (length: number, item: (n: number) => string): string =>
  Array.from({ length }, (_, n) => item(n)).join(',');

/** Bodies of 18 MiB by what they consist of. */
const wide: Readonly<Record<string, () => RawRequest>> = {
  fields: () => ({ path: '/v1/chat/completions', body: `${start},${list(size / 15, (n) => `"${hex(n, 9)}":1`)}}` }),
  'fields on a native route': () => ({
    path: '/api/chat',
    body: `${start},${list(size / 15, (n) => `"${hex(n, 9)}":1`)}}`,
  }),
  'fields of options': () => ({
    path: '/api/chat',
    body: `${start},"options":{${list(size / 15, (n) => `"${hex(n, 9)}":1`)}}}`,
  }),
  numbers: () => ({ path: '/v1/chat/completions', body: `${start},"x":[${'0,'.repeat(size / 2 - 100)}0]}` }),
  'token ids to embed': () => ({
    path: '/v1/embeddings',
    body: `{"model":"vector","input":[${'1,'.repeat(size / 2 - 100)}1]}`,
  }),
  'texts to embed': () => ({
    path: '/api/embed',
    body: `{"model":"vector","input":[${'"",'.repeat(size / 3 - 100)}""]}`,
  }),
  'empty objects': () => ({
    path: '/v1/responses',
    body: `{"model":"plain","input":[${'{},'.repeat(size / 3 - 100)}{}]}`,
  }),
  messages: () => ({
    path: '/v1/messages',
    body: `{"model":"plain","max_tokens":9,"messages":[${list(size / 33, () => '{"role":"user","content":"x"}')}]}`,
  }),
  'content parts': () => ({
    path: '/v1/chat/completions',
    body: `{"model":"plain","messages":[{"role":"user","content":[${list(size / 27, () => '{"type":"text","text":"x"}')}]}]}`,
  }),
  'properties of a tool': () => ({
    path: '/v1/chat/completions',
    body: `${start},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{${list(size / 13, (n) => `"${hex(n, 7)}":{}`)}}}}}]}`,
  }),
  'escaped characters': () => ({
    path: '/v1/chat/completions',
    body: `{"model":"plain","messages":[{"role":"user","content":"${'\\u0000'.repeat(size / 6)}"}]}`,
  }),
  'stop sequences': () => ({
    path: '/v1/chat/completions',
    body: `${start},"stop":[${list(size / 12, (n) => `"${hex(n, 8)}"`)}]}`,
  }),
};

for (const [what, request] of Object.entries(wide)) {
  attack(
    `18 MiB of ${what} keep nobody else waiting`,
    {},
    async ({ target }) => await overload(target, [request()], 8000),
  );
}

const openStart = start.slice(0, -1);
const patterns = (pattern: string): string =>
  list(size / (JSON.stringify(pattern).length + 30), () => `{"type":"string","pattern":${JSON.stringify(pattern)}}`);
const callWith = (args: string): string =>
  `${openStart},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":${JSON.stringify(args)}}}]}]}`;

/** Texts of 18 MiB that llamaduct reads as something else than a text. */
const texts: Readonly<Record<string, () => RawRequest>> = {
  'digits as keep_alive': () => ({
    path: '/v1/chat/completions',
    body: `${start},"keep_alive":"${'1'.repeat(size)}x"}`,
  }),
  'digits as keep_alive on a native route': () => ({
    path: '/api/chat',
    body: `${start},"keep_alive":"${'1'.repeat(size)}x"}`,
  }),
  'patterns on a native route': () => ({
    path: '/api/chat',
    body: `${start},"format":{"anyOf":[${patterns('\\'.repeat(450))}]}}`,
  }),
};
/** The same for a server of kind openai. */
const textsToOpenAi: Readonly<Record<string, () => RawRequest>> = {
  'patterns for vLLM': () => ({
    path: '/v1/chat/completions',
    body: `${start},"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"anyOf":[${patterns(`^${'{'.repeat(900)}$`)}]}}}}`,
  }),
  'arguments of a tool call for vLLM': () => ({
    path: '/v1/chat/completions',
    body: callWith(`{"a":[${'{},'.repeat(size / 3 - 100)}{}]}`),
  }),
};

for (const [scene, requests] of [
  [{}, texts],
  [{ kind: 'openai' }, textsToOpenAi],
] as const) {
  for (const [what, request] of Object.entries(requests)) {
    attack(
      `18 MiB of ${what} keep nobody else waiting`,
      scene,
      async ({ target }) => await overload(target, [request()], 8000),
    );
  }
}

/** Texts of 18 MiB, and of more than any limit, which take a thousandth of it on the wire. */
const packed: Readonly<Record<string, () => RawRequest>> = {
  'gzip, of 18 MiB each': () => bomb('gzip', gzipSync, size),
  'br, of 256 MiB each': () => bomb('br', brotli, 256 * MB),
  'zstd, of 256 MiB each': () => bomb('zstd', zstdCompressSync, 256 * MB),
  'gzip twice, of 256 MiB each': () => bomb('gzip, gzip', (bytes) => gzipSync(gzipSync(bytes)), 256 * MB),
};

function bomb(coding: string, pack: (bytes: Buffer) => Buffer, bytes: number): RawRequest {
  const body = pack(
    Buffer.concat([Buffer.from(`{"model":"plain","messages":"`), Buffer.alloc(bytes, 'ab'), Buffer.from('"}')]),
  );
  return { path: '/v1/chat/completions', headers: { 'content-encoding': coding }, body };
}

function brotli(bytes: Buffer): Buffer {
  return brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } });
}

for (const [what, request] of Object.entries(packed)) {
  attack(`50 bodies in ${what}, keep nobody else waiting`, {}, async ({ target }) => {
    const one = request();
    return await overload(
      target,
      Array.from({ length: 50 }, () => one),
      15_000,
    );
  });
}

attack('a long conversation below the bounds is served', {}, async ({ target, ollama }) => {
  const messages = Array.from({ length: 2000 }, (_, n) => ({
    role: n % 2 === 0 ? 'user' : 'assistant',
    content: 'word '.repeat(400),
  }));
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,iVBORw0KGgo${'A'.repeat(8 * MB)}=` } };
  const last = { role: 'user', content: [{ type: 'text', text: 'and this?' }, image] };
  const impact = await overload(target, [
    { path: '/v1/chat/completions', body: { model: 'plain', messages: [...messages, last] } },
  ]);
  return { ...impact, held: impact.held && ollama.runs.some(({ path }) => path === '/api/chat') };
});

type Schema = Readonly<Record<string, unknown>>;

/** allOf within allOf, each level with the properties of all levels below. */
function merging(width: number, levels: number): Schema {
  let schema: Schema = { properties: Object.fromEntries(Array.from({ length: width }, (_, n) => [hex(n, 6), {}])) };
  for (let level = 0; level < levels; level += 1) {
    schema = { allOf: [schema, ...Array.from({ length: 15 }, (_, n) => ({ properties: { [`z${level}_${n}`]: {} } }))] };
  }
  return schema;
}

/** Definitions of which each refers twice to the next, so that they double with every level. */
function doubling(levels: number, keyword: 'properties' | 'anyOf' | 'allOf'): Schema {
  const twice = (n: number): Schema => {
    const ref = { $ref: `#/$defs/d${n + 1}` };
    return keyword === 'properties' ? { type: 'object', properties: { a: ref, b: ref } } : { [keyword]: [ref, ref] };
  };
  const defs = Object.fromEntries(Array.from({ length: levels }, (_, n) => [`d${n}`, twice(n)]));
  return { $defs: { ...defs, [`d${levels}`]: { type: 'string', description: 'x'.repeat(200) } }, $ref: '#/$defs/d0' };
}

const tools = (schema: Schema, count = 1): object[] =>
  Array.from({ length: count }, (_, n) => ({ type: 'function', function: { name: `f${n}`, parameters: schema } }));
const format = (schema: Schema): object => ({ type: 'json_schema', json_schema: { name: 'x', schema } });
const chat = (more: object): RawRequest => ({
  path: '/v1/chat/completions',
  body: { model: 'plain', stream: false, messages: [{ role: 'user', content: 'x' }], ...more },
});
const anthropicTools = (schema: Schema, count: number): RawRequest => ({
  path: '/v1/messages',
  body: {
    model: 'plain',
    max_tokens: 9,
    messages: [{ role: 'user', content: 'x' }],
    tools: Array.from({ length: count }, (_, n) => ({ name: `f${n}`, input_schema: schema })),
  },
});
const oneLargeDefinition = {
  $defs: { d: { type: 'string', description: 'x'.repeat(50_000) } },
  type: 'object',
  properties: Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`p${n}`, { $ref: '#/$defs/d' }])),
};

const schemas: Readonly<Record<string, RawRequest>> = {
  'a tool with allOf in allOf': chat({ tools: tools(merging(20_000, 30)) }),
  'a response format with allOf in allOf': chat({ response_format: format(merging(20_000, 30)) }),
  'a thousand tools whose references double': chat({ tools: tools(doubling(30, 'properties'), 1000) }),
  'a thousand tools of Anthropic whose references double': anthropicTools(doubling(30, 'anyOf'), 1000),
  'a tool whose allOf doubles': chat({ tools: tools(doubling(60, 'allOf')) }),
  'a response format whose references double': chat({ response_format: format(doubling(30, 'properties')) }),
  'two thousand references to one large definition': chat({ tools: tools(oneLargeDefinition, 3) }),
  'a schema with a pattern that backtracks': chat({
    response_format: format({ type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } }),
  }),
};

for (const [what, request] of Object.entries(schemas)) {
  attack(
    `${what}: nobody waits, and the upstream gets at most ten times what was sent`,
    {},
    async ({ target, ollama }) => {
      const sent = JSON.stringify(request.body).length;
      const impact = await overload(target, [request], 8000);
      const largest = Math.max(0, ...ollama.runs.map((run) => run.size));
      return {
        held: impact.held && largest <= 10 * sent,
        figures: `${(sent / MB).toFixed(2)} MiB, ${impact.figures}, the upstream gets ${(largest / sent).toFixed(1)} times as much (at most 10)`,
      };
    },
  );
}

attack(
  'a pattern that backtracks on the response of the model keeps nobody waiting, with validate_json',
  {
    config: { validate_json: true },
    ollama: {
      answer(res, { path }) {
        if (path === '/api/show') return false;
        const content = JSON.stringify({ a: `${'a'.repeat(40)}!` });
        res.writeHead(200, { 'content-type': 'application/x-ndjson' });
        res.end(
          `${JSON.stringify({ model: 'plain', message: { role: 'assistant', content }, done: true, done_reason: 'stop' })}\n`,
        );
        return true;
      },
    },
  },
  async ({ target }) =>
    await overload(
      target,
      [
        chat({
          response_format: format({ type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } }),
        }),
      ],
      8000,
    ),
);

attack(
  'a long name of a model is refused, not repeated in every chunk',
  { ollama: { tokens: 200 } },
  async ({ send }) => {
    const name = `${'a'.repeat(200_000)}://registry.ollama.ai/library/tiny`;
    let most = 0;
    for (const path of [
      '/v1/chat/completions',
      '/v1/completions',
      '/v1/responses',
      '/v1/messages',
      '/api/chat',
      '/api/generate',
    ]) {
      const body = {
        model: name,
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
        prompt: 'x',
        input: 'x',
        max_tokens: 300,
      };
      const { input: _, ...rest } = body;
      const { size: received } = await send({ path, body: path === '/v1/responses' ? body : rest });
      most = Math.max(most, received);
    }
    return {
      held: most <= 16_384,
      figures: `a name of 200 KB and 200 tokens: at most ${most} bytes come back (at most 16384)`,
    };
  },
);

attack('errors quote little of what was sent', { config: { strict: true } }, async ({ send }) => {
  const long = 'k'.repeat(3_000_000);
  const message = { role: 'user', content: 'x' };
  const plain = { model: 'plain', messages: [message] };
  const tries: readonly (readonly [string, string, object | string])[] = [
    ['a field', '/v1/chat/completions', { ...plain, [long]: 1 }],
    [
      'thousand fields',
      '/v1/chat/completions',
      { ...plain, ...Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`${n}${'f'.repeat(100)}`, 1])) },
    ],
    ['a field of a message', '/v1/chat/completions', { model: 'plain', messages: [{ ...message, [long]: 1 }] }],
    ['a field of options', '/v1/chat/completions', { ...plain, options: { [long]: 1 } }],
    ['a model', '/v1/chat/completions', { model: long, messages: [message] }],
    ['a native model', '/api/chat', { model: long, messages: [message] }],
    ['a role', '/v1/chat/completions', { model: 'plain', messages: [{ role: long, content: 'x' }] }],
    ['a part', '/v1/chat/completions', { model: 'plain', messages: [{ role: 'user', content: [{ type: long }] }] }],
    [
      'a tool',
      '/v1/chat/completions',
      { ...plain, tools: tools({}), tool_choice: { type: 'function', function: { name: long } } },
    ],
    ['a reference', '/v1/chat/completions', { ...plain, tools: tools({ $ref: `#/${long}` }) }],
    ['an item', '/v1/responses', { model: 'plain', input: [{ type: 'item_reference', id: long }] }],
    ['a stored id', '/v1/responses', { model: 'plain', input: 'x', previous_response_id: long }],
    [
      'a block',
      '/v1/messages',
      { model: 'plain', max_tokens: 9, messages: [{ role: 'user', content: [{ type: long }] }] },
    ],
    [
      'an image',
      '/v1/chat/completions',
      {
        model: 'plain',
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: `x:${long}` } }] }],
      },
    ],
    ['no JSON', '/v1/chat/completions', long],
  ];
  const sizes: (readonly [string, number])[] = [];
  for (const [what, path, body] of tries) sizes.push([what, (await send({ path, body })).size]);
  const long_target = await send({ path: `/v1/models/${'m'.repeat(7000)}` });
  sizes.push(['a target', long_target.size]);
  const broken = sizes.filter(([, received]) => received > 16_384);
  return {
    held: broken.length === 0,
    figures: `${broken.length} of ${sizes.length} errors are over 16384 bytes (none); the largest ${Math.max(...sizes.map(([, received]) => received))} ${broken.map(([what, received]) => `${what} ${received}`).join(', ')}`,
  };
});
