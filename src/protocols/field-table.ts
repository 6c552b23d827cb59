import type { ChatRequest, JsonObject } from '../chat/request.ts';
import { isObject } from '../framing/json.ts';
import { DroppedFields, isEmpty } from './dropped-fields.ts';

/** Reads the value of a field, which is not null. @throws {GatewayError} 400 with the path as its `param` */
type Reader<T> = (value: unknown, path: string, min?: number, max?: number) => T | undefined;

/**
 * The kind of server that a field has an effect on: `any`, or only one. For a server of another kind the field is reported
 * as dropped, which is called "named" here. With `none` it is named for all; with `refused` the request is a 400.
 */
export type Effect = 'any' | 'ollama' | 'openai' | 'none' | 'refused';

/** One field of a request body. */
export interface Field<T = unknown> {
  readonly effect: Effect;
  /** Absent: the field is named, or code beside the table reads it. */
  readonly read?: Reader<T>;
  /** The limits of a number, which becomes the nearest one in between. */
  readonly min?: number;
  readonly max?: number;
  /** The type of a field that is sent on unchanged. A value of another type is named, because a server would refuse it. */
  readonly type?: 'string' | 'boolean' | 'object';
  /** True for an object that is read, and that servers with OpenAI's API get unchanged besides. */
  readonly isForwarded?: boolean;
  /** Values that ask for nothing, besides those that `DroppedFields` knows. */
  readonly neutral?: readonly unknown[];
  /** The name to report instead of the path. */
  readonly reportedAs?: string;
  /** The fields of its object, or of each object in its list. Absent, and for no variant: code beside the table names them. */
  readonly fields?: FieldTable;
  /** The fields by the variant of the object, such as the role of a message. Other variants have `fields`. */
  readonly variants?: Readonly<Record<string, FieldTable>>;
  /** The field that tells the variant, or a function that does. */
  readonly variantOf?: string | ((item: JsonObject) => unknown);
  /** A sentence for the documentation. */
  readonly note?: string;
}

/**
 * The fields of an object in requests. The table is the only place that decides which fields are known: the rest is named
 * in `x-llamaduct-dropped`, or refused in strict mode.
 */
export type FieldTable = Readonly<Record<string, Field>>;

/** The values that the readers of a table return, by the names of their fields. */
export type Values<Table extends FieldTable> = {
  readonly [Name in keyof Table]?: Table[Name] extends { readonly read: Reader<infer T> }
    ? Exclude<T, undefined>
    : never;
};

/**
 * Reads the fields of a request body that are in its table, and names all others, nested ones too.
 *
 * @param prefix of the fields' paths, such as `generationConfig.`, for a table of nested fields. Absent: they are the body's
 * @returns the values of the fields that are present and not null
 * @throws {GatewayError} 400 with `param` for a value that cannot be read
 */
export function readFields<Table extends FieldTable>(
  table: Table,
  body: JsonObject,
  dropped: DroppedFields,
  prefix = '',
): Values<Table> {
  const values: Record<string, unknown> = {};
  for (const name in body) {
    const value = body[name];
    const field = Object.hasOwn(table, name) ? table[name] : undefined;
    if (field === undefined || value == null) {
      if (field === undefined) dropped.addUnknown(prefix, name);
      continue;
    }
    const path = prefix + name;
    if (field.read !== undefined) values[name] = field.read(value, path, field.min, field.max);
    else if (typeof value === field.type && !Array.isArray(value) && !isNeutral(field, value)) values[name] = value;
    else nameField(field, path, value, dropped);
    if (typeof value === 'object' && field.isForwarded !== true) nameNested(field, value, `${path}.`, dropped);
  }
  return values as Values<Table>;
}

/** Names the fields of a nested object, or of each object in a list, that have no effect. */
function nameNested(field: Field, value: unknown, prefix: string, dropped: DroppedFields): void {
  if (Array.isArray(value)) {
    for (const item of value) nameNested(field, item, prefix, dropped);
    return;
  }
  if (!isObject(value)) return;
  const table = tableOf(field, value);
  if (table === undefined) return;
  for (const name in value) {
    const nested = Object.hasOwn(table, name) ? table[name] : undefined;
    if (nested === undefined) {
      dropped.addUnknown(prefix, name);
      continue;
    }
    if (nested.effect === 'none') nameField(nested, prefix + name, value[name], dropped);
    if (typeof value[name] === 'object') nameNested(nested, value[name], `${prefix}${name}.`, dropped);
  }
}

function tableOf({ fields, variants, variantOf }: Field, item: JsonObject): FieldTable | undefined {
  const type = typeof variantOf === 'string' ? item[variantOf] : variantOf?.(item);
  return variants !== undefined && typeof type === 'string' && Object.hasOwn(variants, type) ? variants[type] : fields;
}

/**
 * Collects the fields that only servers with OpenAI's API have.
 *
 * @param values the fields of a request, as `readFields` read them
 */
export function extraFields(table: FieldTable, values: Readonly<Record<string, unknown>>): Pick<ChatRequest, 'extra'> {
  let extra: { fields: Record<string, unknown>; unheeded: DroppedFields } | undefined;
  for (const name in values) {
    const field = table[name];
    const value = values[name];
    const isForwarded =
      field?.effect === 'openai' || (field?.isForwarded === true && isObject(value) && !isEmpty(value));
    if (field === undefined || value === undefined || !isForwarded) continue;
    extra ??= { fields: {}, unheeded: new DroppedFields() };
    extra.fields[name] = value;
    if (field.isForwarded === true) nameNested(field, value, `${name}.`, extra.unheeded);
    else extra.unheeded.names.add(name);
  }
  return extra === undefined ? {} : { extra: { fields: extra.fields, names: [...extra.unheeded.names] } };
}

/** Names a field that has no effect, unless its value asks for nothing. */
function nameField(field: Field, path: string, value: unknown, dropped: DroppedFields): void {
  if (!isNeutral(field, value)) dropped.add(field.reportedAs ?? path, value);
}

function isNeutral({ neutral }: Field, value: unknown): boolean {
  if (isEmpty(value)) return true;
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return neutral !== undefined && items.every((item) => neutral.includes(item));
}

/** A field of this type that only servers with OpenAI's API have. */
export function forwarded(
  type: NonNullable<Field['type']>,
  neutral: readonly unknown[] = [],
): Field & { effect: 'openai' } {
  return { effect: 'openai', type, neutral };
}

/** A field that code beside the table reads, with an effect on servers of all kinds. */
export const read: Field = { effect: 'any' };

/** A field of the body itself whose value `readFields` returns as it is, for code beside the table. */
export const raw = { effect: 'any', read: (value: unknown): unknown => value } as const satisfies Field;

/** A field without effect on any server. */
export const named: Field = { effect: 'none' };

/** @returns the names of all fields of a table that can be reported as dropped, nested ones with dots */
export function droppableNames(table: FieldTable, prefix = ''): string[] {
  return Object.entries(table).flatMap(([name, field]) => {
    const path = prefix + name;
    const nested = [...(field.fields ? [field.fields] : []), ...Object.values(field.variants ?? {})];
    const own = field.effect === 'any' || field.effect === 'refused' ? [] : [field.reportedAs ?? path];
    return [...own, ...nested.flatMap((fields) => droppableNames(fields, `${path}.`))];
  });
}
