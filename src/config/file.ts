import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { z } from 'zod';
import { ConfigError } from './error.ts';
import { configSchema, type FileConfig } from './schema.ts';

type Path = readonly PropertyKey[];

/** A fault before its place is counted in lines. */
interface Found {
  readonly offset: number;
  readonly path: Path;
  readonly message: string;
}

/**
 * Reads and checks a configuration file.
 * @throws ConfigError naming every fault with line and column, or why the file cannot be read.
 */
export async function readConfigFile(file: string): Promise<FileConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read the configuration: ${(error as Error).message}`);
  }
  const config = parseConfig(text, file);
  const { file: ledger } = config.usage;
  return ledger === undefined
    ? config
    : { ...config, usage: { ...config.usage, file: resolve(dirname(file), ledger) } };
}

/**
 * Checks the text of a configuration file; `file` is its name in messages.
 * @throws ConfigError naming every fault with line and column.
 */
export function parseConfig(text: string, file: string): FileConfig {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const found = syntaxFaults(document);
  if (found.length === 0) {
    // An empty file, or one of comments only, stands for an empty map.
    const value: unknown = document.contents === null ? {} : document.toJS({ maxAliasCount: -1 });
    const parsed = configSchema.safeParse(value, { reportInput: true });
    if (parsed.success) return parsed.data;
    found.push(...parsed.error.issues.flatMap((issue) => faultsOf(issue, document)));
  }

  const faults = found
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ offset, path, message }) => {
      const { line, col: column } = lineCounter.linePos(offset);
      return { line, column, path: pathText(path), message };
    });
  const lines = faults.map(({ line, column, path, message }) =>
    [`${file}:${line}:${column}`, path, message].filter(Boolean).join(': '),
  );
  throw new ConfigError(lines.join('\n'), faults);
}

function syntaxFaults(document: Document): Found[] {
  const found = document.errors.map(({ pos, message }): Found => ({ offset: pos[0], path: [], message }));
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      found.push({ offset: startOf(alias) ?? 0, path: [], message: `no anchor &${alias.source} before this` });
    },
  });
  return found;
}

function faultsOf(issue: z.core.$ZodIssue, document: Document): Found[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const { node, offset } = locate(document, path);
      return { offset: startOf(pairOf(node, key)?.key) ?? offset, path: [...path, key], message: 'unknown setting' };
    });
  }
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  const message = missing ? 'is required' : issue.message.replace(/^Invalid (input|option): /, '');
  return [{ offset: locate(document, path).offset, path, message }];
}

/** The node at `path` and where it starts; for what is missing, where its nearest parent starts. */
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

function pathText(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
