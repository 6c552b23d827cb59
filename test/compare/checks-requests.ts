import { deepEqual, equal, ok } from 'node:assert/strict';
import { images } from '../images/samples.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { type Answer, chat, post, script, times, tryChat, user } from './ask.ts';
import type { Check } from './check.ts';
import { contextOf, withModel } from './models.ts';

const image = (url: string): object => ({ type: 'image_url', image_url: { url } });
const text = (words: string): object => ({ type: 'text', text: words });

/** What of a request reaches the model, and how what cannot is refused. */
export const requestChecks: readonly Check[] = [
  {
    number: 8,
    title: 'Text, image and text of one message are one message to the model, as qwen3-vl renders it',
    needs: ['scripted-plain'],
    async run(target) {
      // Templates join messages of one role, with a blank line between them; renderers do not.
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
        const answered = { role: 'assistant', content: 'Good day.', [field]: 'A greeting.' };
        const messages = [user('hi'), answered, user('again')];
        const { rendered_template: prompt } = await target.prompt({ model: 'scripted-think', messages });
        ok(prompt.includes('A greeting.'), `${field} is dropped`);
      }
    },
  },
  {
    number: 15,
    title: 'An image by http address is fetched, where the operator lets it be, and reaches the model',
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
    title: 'A gif is taken, or refused by a 400 that names the part at fault',
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
        ['response_format', { type: 'json_schema', json_schema: { schema: { type: 'object' } } }],
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
    title: 'A strict JSON Schema holds in 10 of 10 answers',
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
        deepEqual(Object.keys(person), ['name', 'age'], `it says ${JSON.stringify(person)}`);
        ok(['Alice', 'Bob'].includes(person.name) && Number.isInteger(person.age), 'values that the schema forbids');
      });
    },
  },
  {
    number: 23,
    title: 'A header lists each field that changed nothing',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const { status, headers, problem } = await tryChat(target, withIdleFields);
      equal(status, 200, problem);
      const listed = [...headers].find(([, value]) => idle.every((field) => value.includes(field)));
      ok(listed !== undefined, `${idle.join(', ')} are dropped without a word`);
    },
  },
  {
    number: 23,
    title: 'In strict mode such a field is a 400 that names it',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      await using strict = await target.configured({ strict: true });
      const { status, error } = await tryChat(strict, withIdleFields);
      equal(status, 400, `HTTP ${status}, and there is no strict mode`);
      ok(
        idle.some((field) => error.param?.startsWith(field)),
        `param ${error.param}`,
      );
    },
  },
];

const idle = ['logit_bias', 'service_tier', 'store'];
const withIdleFields = {
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
    'of the older kind': '{{ if .System }}[S]{{ .System }}{{ end }}[U]{{ .Prompt }}[A]{{ .Response }}',
  };
  return [
    {
      number: 10,
      title: 'What the developer says reaches the model, whatever its template',
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
  // Its weights are its own, so that no other model's context is in its way.
  const narrow = { from: 'scripted-jinja', parameters: { num_ctx: 512 } };
  const tooLong = { messages: [user(words(512))], max_tokens: 1 };
  return [
    {
      number: 16,
      title: 'A prompt over the context is a 400 `context_length_exceeded` that names both sizes',
      needs: ['scripted-jinja'],
      async run(target) {
        await withModel(target, 'narrow', narrow, async (model) => {
          for (const stream of [false, true]) assertTooLong(await tryChat(target, { ...tooLong, model, stream }), 512);
        });
      },
    },
    {
      number: 16,
      title: 'Where the operator lets prompts be cut, a header tells of it',
      beyond: true,
      needs: ['scripted-jinja'],
      async run(target) {
        await using cutting = await target.configured({ models: [{ match: '*', on_overflow: 'truncate' }] });
        await withModel(cutting, 'narrow', narrow, async (model) => {
          const { status, headers, problem } = await tryChat(cutting, { ...tooLong, model });
          equal(status, 200, problem);
          const told = [...headers.keys()].some((name) => name.includes('truncated'));
          ok(told, 'the prompt is cut without a word');
        });
      },
    },
    {
      number: 16,
      title: 'A text over the context of an embedding model is such a 400 too',
      needs: ['scripted-embed'],
      async run(target) {
        const model = 'scripted-embed';
        const short = await post(target, '/v1/embeddings', { model, input: 'hi' });
        equal(short.status, 200, short.problem);
        const context = await contextOf(target, model);
        assertTooLong(await post(target, '/v1/embeddings', { model, input: words(context) }), context);
      },
    },
  ];
}

function assertTooLong({ status, error, problem }: Answer, context: number): void {
  equal(status, 400, `HTTP ${status}: the text is cut without a word`);
  equal(error.code, 'context_length_exceeded', problem);
  const sizes = (error.message?.match(/\d+/g) ?? []).map(Number);
  ok(sizes.includes(context) && sizes.some((size) => size > context), `not both sizes: ${error.message}`);
}

/** A text of about twice as many tokens as the context of a scripted model, where nearly every letter is one. */
function words(context: number): string {
  return 'lorem ipsum '.repeat(Math.ceil(context / 5));
}
