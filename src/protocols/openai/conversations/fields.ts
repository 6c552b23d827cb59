import { type FieldTable, raw } from '../../field-table.ts';
import { responseFields } from '../responses/fields.ts';

/** The fields of `POST /v1/conversations`. */
export const conversationFields = {
  items: responseFields.input,
  metadata: raw,
} as const satisfies FieldTable;

/** The fields of `POST /v1/conversations/{id}`. */
export const updateFields = { metadata: raw } as const satisfies FieldTable;

/** The fields of `POST /v1/conversations/{id}/items`. */
export const itemsFields = { items: responseFields.input } as const satisfies FieldTable;
