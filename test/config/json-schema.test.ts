import { resolve } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { configSchema } from '../../src/config/schema.ts';

/** `npm run schema` regenerates the file by updating this snapshot. */
test('deploy/llamaduct.schema.json matches the configuration schema', (t) => {
  const schema = { title: 'llamaduct configuration', ...z.toJSONSchema(configSchema, { io: 'input' }) };
  const file = resolve(import.meta.dirname, '../../deploy/llamaduct.schema.json');
  t.assert.fileSnapshot(`${JSON.stringify(schema, null, 2)}\n`, file, { serializers: [String] });
});
