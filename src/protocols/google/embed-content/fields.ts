import { type Field, type FieldTable, named, raw, read } from '../../field-table.ts';
import { contentOrPart } from '../parts-of.ts';
import { array } from '../../fields.ts';
import { embeddingSettingFields, ollamaOptions, readTokenLimit } from '../../settings.ts';

const part: FieldTable = { text: read };
const content: FieldTable = { role: read, parts: { effect: 'any', fields: part } };
const given = contentOrPart(content, part);
const taskType: Field = { ...named, neutral: ['TASK_TYPE_UNSPECIFIED'] };

/** The fields of `embedContent`. Snake case is read as well. */
export const embedContentFields = {
  ...embeddingSettingFields,
  ...ollamaOptions,
  content: { ...raw, ...given },
  outputDimensionality: { effect: 'any', read: readTokenLimit, note: 'Below 1: as many as the model makes.' },
  taskType,
  title: named,
  embedContentConfig: named,
} as const satisfies FieldTable;

/** The fields of `batchEmbedContents`. */
export const batchEmbedContentsFields = {
  ...embeddingSettingFields,
  ...ollamaOptions,
  requests: {
    effect: 'any',
    read: array,
    fields: {
      model: read,
      content: { effect: 'any', ...given },
      outputDimensionality: read,
      taskType,
      title: named,
      embedContentConfig: named,
    },
    note: 'All have the model of the path and the same `outputDimensionality`.',
  },
} as const satisfies FieldTable;
