import { deepEqual, equal, ok } from 'node:assert/strict';
import { images } from '../images/samples.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { type Answer, chat, post, script, times, tryChat, user } from './api-client.ts';
import type { Check } from './check.ts';
import { contextOf, withModel } from './models.ts';

const image = (url: string): object => ({ type: 'image_url', image_url: { url } });
const text = (words: string): object => ({ type: 'text', text: words });

/** Checks of requests: what reaches the model, and how the rest is rejected or reported. */
export const requestChecks: readonly Check[] = [
  {
    number: 8,
    title: 'Text, image and text in one message reach the model as one message, as qwen3-vl renders it',
    needs: ['scripted-plain'],
    async run(target) {
      // A template joins messages of one role with a blank line between them; a renderer does not.
      await withModel(target, 'renderer', { from: 'scripted-plain', renderer: 'qwen3-vl-instruct' }, async (model) => {
        const parts = [text('What is'), image(`data:image/png;base64,${images.png.toString('base64')}`), text('this?')];
        const { rendered_template: prompt, image_count: count } = await target.prompt({
          model,
          messages: [user(parts)],
        });
        const messages = prompt.match(/<\|im_start\|>user/g)?.length;
        equal(messages, 1, `${messages} messages`);
        equal(count, 1, 'no image');
      });
    },
  },
  ...developerChecks(),
  {
    number: 12,
    title: '`reasoning_content` in the history reaches the model',
    beyond: true,
    needs: ['scripted-think'],
    async run(target) {
      for (const field of ['reasoning_content', 'reasoning']) {
        const reply = { role: 'assistant', content: 'Good day.', [field]: 'A greeting.' };
        const messages = [user('hi'), reply, user('again')];
        const { rendered_template: prompt } = await target.prompt({ model: 'scripted-think', messages });
        ok(prompt.includes('A greeting.'), `${field} is dropped`);
      }
    },
  },
  {
    number: 15,
    title: 'An image given by HTTP URL is downloaded, if the operator allows it, and reaches the model',
    needs: ['scripted-plain'],
    async run(target) {
      await using pictures = await fakeUpstream((res) => {
        res.writeHead(200, { 'content-type': 'image/png' }).end(images.png);
      });
      const { port } = new URL(pictures.url);
      const fetching = { fetch: true, allow: ['127.0.0.0/8'], ports: [Number(port)] };
      await using allowed = await target.configured({ images: fetching });
      const content = [text('What is this?'), image(`${pictures.url}/cat.png`)];
      const { image_count: count } = await allowed.prompt({ model: 'scripted-plain', messages: [user(content)] });
      equal(count, 1, 'no image');
    },
  },
  {
    number: 15,
    title: 'A GIF is accepted, or rejected with a 400 that names the invalid part',
    needs: ['scripted-plain'],
    async run(target) {
      const content = [text('What is this?'), image(`data:image/gif;base64,${images.gif.toString('base64')}`)];
      const body = { model: 'scripted-plain', messages: [user(content)], max_tokens: 1 };
      const { status, error, problem } = await tryChat(target, body);
      if (status === 200) return;
      equal(status, 400, problem);
      ok(error.param?.startsWith('messages[0].content'), `param ${error.param}: ${error.message}`);
    },
  },
  ...contextChecks(),
  {
    number: 17,
    title: 'An invalid `response_format` or `stop` is a 400 that names it in `param`',
    needs: ['scripted-plain'],
    async run(target) {
      for (const [param, value] of [
        ['response_format', { type: 'yaml' }],
        ['response_format', { type: 'json_schema' }],
        ['response_format', { type: 'json_schema', json_schema: { name: 'n', schema: 'object' } }],
        ['response_format', { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'nonsense' } } }],
        ['stop', 5],
        ['stop', [1, 2]],
      ] as const) {
        const body = { model: 'scripted-plain', messages: [script('one')], max_tokens: 1, [param]: value };
        const { status, error } = await tryChat(target, body);
        const sent = `${param} ${JSON.stringify(value)}`;
        equal(status, 400, `HTTP ${status} for ${sent}`);
        ok(error.param?.startsWith(param), `param ${error.param} for ${sent}`);
      }
    },
  },
  {
    number: 17,
    title: '10 of 10 responses match a strict JSON Schema',
    needs: ['scripted-plain'],
    async run(target) {
      const schema = {
        type: 'object',
        properties: { name: { enum: ['Alice', 'Bob'] }, age: { type: 'integer' } },
        required: ['name', 'age'],
        additionalProperties: false,
      };
      const response_format = { type: 'json_schema', json_schema: { name: 'person', strict: true, schema } };
      await times(10, async () => {
        const body = { model: 'scripted-plain', messages: [user('hi')], response_format };
        const { choices } = await chat(target, body);
        const person = JSON.parse(choices[0]?.message.content ?? '') as { name: string; age: number };
        deepEqual(Object.keys(person), ['name', 'age'], `the text is ${JSON.stringify(person)}`);
        ok(['Alice', 'Bob'].includes(person.name) && Number.isInteger(person.age), 'a value does not match the schema');
      });
    },
  },
  {
    number: 23,
    title: 'A header lists each field that had no effect',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const { status, headers, problem } = await tryChat(target, withUnsupportedFields);
      equal(status, 200, problem);
      const listed = [...headers].find(([, value]) => unsupported.every((field) => value.includes(field)));
      ok(listed !== undefined, `${unsupported.join(', ')} are dropped, and no header says so`);
    },
  },
  {
    number: 23,
    title: 'It lists unknown fields, too, also within messages',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const messages = [{ ...script('one'), mood: 'calm' }];
      const body = { model: 'scripted-plain', messages, stream_options: { echoes: 2 }, patience: false };
      const { status, headers, problem } = await tryChat(target, body);
      equal(status, 200, problem);
      const listed = [...headers].find(([, value]) =>
        ['patience', 'mood', 'echoes'].every((name) => value.includes(name)),
      );
      ok(listed !== undefined, 'no header says that they have no effect');
    },
  },
  {
    number: 23,
    title: 'In strict mode such a field is a 400 that names it',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      await using strict = await target.configured({ strict: true });
      const { status, error } = await tryChat(strict, withUnsupportedFields);
      equal(status, 400, `HTTP ${status}: no strict mode`);
      ok(
        unsupported.some((field) => error.param?.startsWith(field)),
        `param ${error.param}`,
      );
    },
  },
];

const unsupported = ['logit_bias', 'service_tier', 'store'];
const withUnsupportedFields = {
  model: 'scripted-plain',
  messages: [script('one')],
  logit_bias: { 50: -100 },
  service_tier: 'flex',
  store: true,
};

function developerChecks(): Check[] {
  const templates = {
    'that passes all roles': '{{ range .Messages }}[{{ .Role }}]{{ .Content }}{{ end }}',
    'that knows three roles': `{{ range .Messages }}{{ if eq .Role "system" }}[S]{{ .Content }}{{ else if eq .Role "user"
}}[U]{{ .Content }}{{ else if eq .Role "assistant" }}[A]{{ .Content }}{{ end }}{{ end }}`,
    'with System and Prompt': '{{ if .System }}[S]{{ .System }}{{ end }}[U]{{ .Prompt }}[A]{{ .Response }}',
  };
  return [
    {
      number: 10,
      title: 'Developer messages reach the model, whatever its template',
      needs: ['scripted-plain'],
      async run(target) {
        const messages = [{ role: 'developer', content: 'Talk like a llama.' }, user('hi')];
        for (const [kind, template] of Object.entries(templates)) {
          const derived = { from: 'scripted-plain', template: `${template}<|s:one|>` };
          await withModel(target, 'developer', derived, async (model) => {
            const { rendered_template: prompt } = await target.prompt({ model, messages });
            ok(prompt.includes('Talk like a llama.'), `lost in a template ${kind}`);
          });
        }
      },
    },
  ];
}

function contextChecks(): Check[] {
  // A model with weights of its own, so that no other model's context size applies.
  const narrow = { from: 'scripted-jinja', parameters: { num_ctx: 512 } };
  const tooLong = { messages: [user(words(512))], max_tokens: 1 };
  return [
    {
      number: 16,
      title: 'A prompt longer than the context is a 400 `context_length_exceeded` with both lengths',
      needs: ['scripted-jinja'],
      async run(target) {
        await withModel(target, 'narrow', narrow, async (model) => {
          for (const stream of [false, true]) assertTooLong(await tryChat(target, { ...tooLong, model, stream }), 512);
        });
      },
    },
    {
      number: 16,
      title: 'If the operator allows prompts to be cut, a header reports it',
      beyond: true,
      needs: ['scripted-jinja'],
      async run(target) {
        await using cutting = await target.configured({ models: [{ match: '*', on_overflow: 'truncate' }] });
        await withModel(cutting, 'narrow', narrow, async (model) => {
          const { status, headers, problem } = await tryChat(cutting, { ...tooLong, model });
          equal(status, 200, problem);
          const reported = [...headers.keys()].some((name) => name.includes('truncated'));
          ok(reported, 'the prompt is cut, and no header says so');
        });
      },
    },
    {
      number: 16,
      title: "A text longer than an embedding model's context is such a 400, too",
      needs: ['scripted-embed'],
      async run(target) {
        const model = 'scripted-embed';
        const loading = await post(target, '/v1/embeddings', { model, input: 'hi' });
        equal(loading.status, 200, loading.problem);
        const context = await contextOf(target, model);
        assertTooLong(await post(target, '/v1/embeddings', { model, input: words(context) }), context);
      },
    },
  ];
}

function assertTooLong({ status, error, problem }: Answer, context: number): void {
  equal(status, 400, `HTTP ${status}: the text is cut`);
  equal(error.code, 'context_length_exceeded', problem);
  const sizes = (error.message?.match(/\d+/g) ?? []).map(Number);
  ok(sizes.includes(context) && sizes.some((size) => size > context), `not both sizes: ${error.message}`);
}

/** @returns a text of about twice `context` tokens: for scripted models nearly every letter is a token */
function words(context: number): string {
  return 'lorem ipsum '.repeat(Math.ceil(context / 5));
}
