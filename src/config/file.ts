import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { z } from 'zod';
import { ConfigError, type ConfigIssue } from './error.ts';
import { configSchema, type FileConfig } from './schema.ts';
import { nearestSetting } from './suggest.ts';
import { yamlFaults } from './yaml-faults.ts';

type Path = readonly PropertyKey[];

/** An issue whose position is still an offset in the text. */
interface OffsetIssue {
  readonly offset: number;
  readonly path: Path;
  readonly message: string;
}

/**
 * Reads and validates a configuration file. Relative paths in it are resolved against the file's folder.
 *
 * @throws {ConfigError} when the file cannot be read, or with the line and column of every error in it
 */
export async function readConfigFile(file: string): Promise<FileConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read the configuration file: ${(error as Error).message}`);
  }
  return withAbsolutePaths(parseConfig(text, file), dirname(file));
}

function withAbsolutePaths(config: FileConfig, folder: string): FileConfig {
  const { tls, upstreams, usage } = config;
  return {
    ...config,
    ...(tls !== undefined && { tls: resolveAll(tls, ['cert', 'key'], folder) }),
    ...(upstreams !== undefined && {
      upstreams: upstreams.map((upstream) => resolveAll(upstream, ['ca', 'cert', 'key'], folder)),
    }),
    usage: resolveAll(usage, ['file'], folder),
  };
}

/** @returns a copy of `settings` in which the paths of these names, as far as they are set, are absolute */
function resolveAll<Name extends string, Settings extends { readonly [_ in Name]?: string | undefined }>(
  settings: Settings,
  names: readonly Name[],
  folder: string,
): Settings {
  const set = names.filter((name) => settings[name] !== undefined);
  return { ...settings, ...Object.fromEntries(set.map((name) => [name, resolve(folder, String(settings[name]))])) };
}

/**
 * Parses and validates the text of a configuration file.
 *
 * @param file the file name for error messages
 * @throws {ConfigError} with the line and column of every error
 */
export function parseConfig(text: string, file: string): FileConfig {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const offsetIssues = syntaxIssues(document);
  if (offsetIssues.length === 0) {
    // An empty file, or one that contains only comments, means an empty map.
    const value: unknown = document.contents === null ? {} : document.toJS({ maxAliasCount: -1 });
    const parsed = configSchema.safeParse(value, { reportInput: true });
    if (parsed.success) return parsed.data;
    offsetIssues.push(...parsed.error.issues.flatMap((issue) => issuesOf(issue, document)));
  }
  throw toConfigError(offsetIssues, lineCounter, file);
}

function toConfigError(offsetIssues: readonly OffsetIssue[], lineCounter: LineCounter, file: string): ConfigError {
  const issues = offsetIssues
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ offset, path, message }): ConfigIssue => {
      const { line, col: column } = lineCounter.linePos(offset);
      return { line, column, path: pathText(path), message };
    });
  const lines = issues.map(({ line, column, path, message }) =>
    [`${file}:${line}:${column}`, path, message].filter(Boolean).join(': '),
  );
  return new ConfigError(lines.join('\n'), issues);
}

function syntaxIssues(document: Document): OffsetIssue[] {
  const issues = yamlFaults(document.errors).map((fault): OffsetIssue => ({ ...fault, path: [] }));
  if (issues.length > 0) return issues;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      issues.push({ offset: startOf(alias) ?? 0, path: [], message: `no anchor &${alias.source} before this alias` });
    },
  });
  return issues;
}

/** Converts an issue of zod, which for unknown settings names all keys of one map at once. */
function issuesOf(issue: z.core.$ZodIssue, document: Document): OffsetIssue[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const { node, offset } = locate(document, path);
      const near = nearestSetting(configSchema, path, key);
      const message = near === undefined ? 'unknown setting' : `unknown setting; did you mean ${near}?`;
      return { offset: startOf(pairOf(node, key)?.key) ?? offset, path: [...path, key], message };
    });
  }
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  const message = missing ? 'is required' : inYamlWords(issue.message.replace(/^Invalid (input|option): /, ''));
  return [{ offset: locate(document, path).offset, path, message }];
}

/** `expected object, received null` -> `expected a map, received nothing` */
function inYamlWords(message: string): string {
  const words: Readonly<Record<string, string>> = {
    object: 'a map',
    record: 'a map',
    array: 'a list',
    null: 'nothing',
  };
  return message.replace(/(?<=^expected |received )(object|record|array|null)\b/g, (type) => words[type] ?? type);
}

/** Finds the node at `path` and its offset. A setting that is missing gets the offset of its nearest parent. */
function locate(document: Document, path: Path): { node: unknown; offset: number } {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const segment of path) {
    node = isSeq(node) ? node.items[Number(segment)] : pairOf(node, segment)?.value;
    offset = startOf(node) ?? offset;
  }
  return { node, offset };
}

function pairOf(node: unknown, key: PropertyKey): { key: unknown; value: unknown } | undefined {
  return isMap(node) ? node.items.find((pair) => isScalar(pair.key) && pair.key.value === key) : undefined;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** @returns for example `keys[0].hash` */
function pathText(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
