import type { Effect, Field, FieldTable } from '../../src/protocols/field-table.ts';
import { ollamaOptions, optionFields, settingFields } from '../../src/protocols/settings.ts';
import { thinkingFields } from '../../src/protocols/thinking.ts';
import { tables } from './tables.ts';

interface Row {
  readonly path: string;
  readonly field: Field;
  /** The variants of the object that contain it, such as roles; '' for all. */
  readonly variants: readonly string[];
}

/** @returns a row for every field, nested ones too, without those of `common` */
function rowsOf(table: FieldTable, common: FieldTable, prefix = '', variant = ''): Row[] {
  return Object.entries(table).flatMap(([name, field]) => {
    if (common[name] === field) return [];
    const path = prefix + name;
    return [
      { path, field, variants: [variant] },
      ...rowsOf(field.fields ?? {}, {}, `${path}.`, variant),
      ...Object.entries(field.variants ?? {}).flatMap(([type, fields]) => rowsOf(fields, {}, `${path}.`, type)),
    ];
  });
}

/** @returns one row for the rows of several variants that say the same */
function merged(rows: readonly Row[]): Row[] {
  const byText = new Map<string, Row>();
  for (const row of rows) {
    const key = `${row.path} ${row.field.effect} ${row.field.note ?? ''}`;
    const variants = [...new Set([...(byText.get(key)?.variants ?? []), ...row.variants])];
    byText.set(key, { ...row, variants });
  }
  return [...byText.values()];
}

const effects: Readonly<Record<Effect, string>> = {
  any: 'yes | yes',
  ollama: 'yes | named',
  openai: 'named | yes',
  none: 'named | named',
  refused: '400 | 400',
};

function noteOf({ note = '', neutral = [] }: Field): string {
  const neutralValues =
    neutral.length > 0 ? `Asks for nothing: ${neutral.map((value) => `\`${String(value)}\``).join(', ')}.` : '';
  return [note, neutralValues].filter((text) => text !== '').join(' ');
}

function tableOf(rows: readonly Row[]): string {
  const lines = merged(rows).map(({ path, field, variants }, _, all) => {
    const isAmbiguous = all.filter((row) => row.path === path).length > 1;
    const which = isAmbiguous && !variants.includes('') ? ` (${variants.join(', ')})` : '';
    return `| \`${path}\`${which} | ${effects[field.effect]} | ${noteOf(field)} |`;
  });
  return ['| field | Ollama | kind `openai` | |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

const shared: readonly (readonly [title: string, table: FieldTable])[] = [
  ['Settings', settingFields],
  ['Options', { ...optionFields, ...ollamaOptions }],
  ['Thinking', thinkingFields],
];

const intro = `# What happens to each field

<!-- Written by \`npm run fields\` from the tables in src/protocols. -->

\`yes\`: the field has its effect on servers of this kind. \`named\`: it has none, and is listed in \`x-llamaduct-dropped\` unless its
value asks for nothing (null, false, an empty text, list or object, \`auto\`, \`default\`); in strict mode it is a 400. Fields that
are not in these tables are named whatever their value.

A request in the API of its server is passed through unchanged, as long as no key, limit or rule of the operator changes it. The
server then gets every field, and none is named.
`;

/** True if a table has the shared fields, save one that it describes itself. */
function isMostlyIn(table: FieldTable, fields: FieldTable): boolean {
  return Object.entries(fields).filter(([name, field]) => table[name] !== field).length <= 1;
}

/** @returns docs/fields.md */
export function fieldsPage(): string {
  const sections = shared.map(([title, table]) => `## ${title}\n\n${tableOf(rowsOf(table, {}))}\n`);
  for (const [path, table] of Object.entries(tables)) {
    const contained = shared.filter(([, common]) => isMostlyIn(table, common));
    const common: FieldTable = Object.assign({}, ...contained.map(([, fields]) => fields));
    const links = contained.map(([title]) => `[${title}](#${title.toLowerCase()})`).join(', ');
    sections.push(`## ${path}\n\nThe fields of ${links}, and:\n\n${tableOf(rowsOf(table, common))}\n`);
  }
  return [intro, ...sections].join('\n');
}
