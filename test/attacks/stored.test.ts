import { attack } from './attack.ts';
import { send } from './client.ts';
import { key, secrets } from './target.ts';

// What one key keeps, and who else may read, replace or push it out.

interface Stored {
  readonly id: string;
}

const input = 'the first question';

attack(
  'a key that fills the store does not push out what another key stored',
  { config: { responses: { entries: 40, bytes: '1MiB' } } },
  async ({ target, send: ask }) => {
    const create = async (as: string, text: string): Promise<Stored> =>
      JSON.parse((await ask({ path: '/v1/responses', as, body: { model: 'plain', input: text } })).text) as Stored;
    const { id } = await create(secrets.victim, input);
    const read = async (as: string): Promise<number> =>
      (await send(target.port, { path: `/v1/responses/${id}`, as })).status;
    const before = await read(secrets.victim);
    for (let n = 0; n < 60; n += 1) await create(secrets.limited, 'x');
    const afterMany = await read(secrets.victim);
    for (let n = 0; n < 20; n += 1) await create(secrets.limited, 'x'.repeat(100_000));
    const afterLarge = await read(secrets.victim);
    return {
      held: before === 200 && afterMany === 200 && afterLarge === 200,
      figures: `40 entries of 1 MiB: the victim's response is a ${before}, after 60 of another key a ${afterMany}, after 2 MB a ${afterLarge} (200)`,
    };
  },
);

attack('a key cannot read, continue or delete what another key stored', {}, async ({ target, send: ask }) => {
  const made = await ask({ path: '/v1/responses', as: secrets.victim, body: { model: 'plain', input } });
  const { id } = JSON.parse(made.text) as Stored;
  const tries = [
    await ask({ path: `/v1/responses/${id}` }),
    await ask({ path: `/v1/responses/${id}/input_items` }),
    await ask({ path: '/v1/responses', body: { model: 'plain', input: 'x', previous_response_id: id } }),
    await ask({ method: 'DELETE', path: `/v1/responses/${id}` }),
    await ask({ path: `/v1/responses/${id}/input_items`, as: 'ld-no-key' }),
  ];
  const left = await send(target.port, { path: `/v1/responses/${id}`, as: secrets.victim });
  const through = tries.filter(({ status, text }) => status < 400 || text.includes(input)).length;
  return {
    held: through === 0 && left.status === 200,
    figures: `${through} of ${tries.length} succeed (none): ${tries.map(({ status }) => status).join(' ')}; the owner still reads it: ${left.status}`,
  };
});

for (const access of ['keys', 'open'] as const) {
  attack(
    `no id that a client chooses names a stored response, with access: ${access}`,
    { config: access === 'open' ? { access, keys: [] } : {} },
    async ({ target }) => {
      const as = access === 'open' ? undefined : secrets.limited;
      const chosen = 'resp_heron0000000000000000000000000';
      const body = { model: 'plain', input, id: chosen, response_id: chosen };
      const headers = {
        'x-request-id': chosen,
        'x-client-request-id': chosen,
        'request-id': chosen,
        'idempotency-key': chosen,
      };
      const made = await send(target.port, { path: '/v1/responses', as, body, headers });
      const streamed = await send(target.port, { path: '/v1/responses', as, body: { ...body, stream: true }, headers });
      const read = await send(target.port, { path: `/v1/responses/${chosen}`, as });
      const items = await send(target.port, { path: `/v1/responses/${chosen}/input_items`, as });
      const named = [made, streamed].filter(({ text }) => text.includes(`"id":"${chosen}"`)).length;
      return {
        held: made.status === 200 && named === 0 && read.status === 404 && items.status === 404,
        figures: `${named} of 2 responses have the chosen id (none); reading by it: ${read.status} ${items.status} (404)`,
      };
    },
  );
}

attack(
  'a key that stores as much as it can keeps its own share of memory only',
  { config: { keys: [key('limited'), key('victim')] } },
  async ({ target, ollama }) => {
    const before = target.rss;
    const large = { model: 'plain', input: 'x'.repeat(4_000_000), store: true };
    for (let n = 0; n < 30; n += 1)
      await send(target.port, { path: '/v1/responses', as: secrets.limited, body: large });
    const rss = target.rss;
    return {
      held: rss <= 512 && ollama.runs.length > 0,
      figures: `30 x 4 MB stored by one key: RSS ${before} to ${rss} MB (at most 512)`,
    };
  },
);
