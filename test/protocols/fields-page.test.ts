import { resolve } from 'node:path';
import { test } from 'node:test';
import { fieldsPage } from './fields-page.ts';

/** `npm run fields` writes the page again by updating this snapshot. */
test('docs/fields.md matches the tables of fields', (t) => {
  const file = resolve(import.meta.dirname, '../../docs/fields.md');
  t.assert.fileSnapshot(fieldsPage(), file, { serializers: [String] });
});
