import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

// The recipes of docs/agents.md as the test applies them: the settings are read from the text that users copy, so that the two
// cannot differ.

export const recipesFile = join(import.meta.dirname, '../../docs/agents.md');

/** What users replace in a recipe: llamaduct's address, and their key. */
const documentedUrl = 'http://127.0.0.1:11435';
const documentedKey = 'YOUR_KEY';

export interface Recipe {
  /** Text of files by their paths, which begin with `~/`. */
  readonly files: ReadonlyMap<string, string>;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Commands that are run once, as words. */
  readonly setup: readonly (readonly string[])[];
}

/** The text below a heading of level two, up to the next. */
function sectionOf(markdown: string, heading: string): string {
  const start = markdown.indexOf(`\n## ${heading}\n`);
  if (start === -1) throw new Error(`docs/agents.md has no section "${heading}"`);
  const rest = markdown.slice(start + heading.length + 5);
  const end = rest.search(/^## /m);
  return end === -1 ? rest : rest.slice(0, end);
}

/** Variables of `export NAME=value` lines; values may be quoted. */
function variablesIn(script: string): Record<string, string> {
  const found = script.matchAll(/^export ([A-Z_0-9]+)=(?:'([^']*)'|"([^"]*)"|([^\s#]*))/gm);
  return Object.fromEntries([...found].map(([, name = '', one, two, bare]) => [name, one ?? two ?? bare ?? '']));
}

/**
 * Reads the recipe below a heading of docs/agents.md. A block of code is part of it if the line before the block ends with the
 * path of a file (`` `~/.codex/config.toml`: ``), with `Environment:` or with `Once:`.
 * @param text of docs/agents.md
 * @throws Error if there is no such section, or no recipe in it
 */
export function recipeOf(heading: string, text = readFileSync(recipesFile, 'utf8')): Recipe {
  const files = new Map<string, string>();
  let env: Record<string, string> = {};
  const setup: string[][] = [];
  const blocks = sectionOf(text, heading).matchAll(
    /^(?:[^\n]*`(~\/[^`\n]+)`|(Environment)|(Once)):\n+```\w*\n(.*?)^```$/gms,
  );
  for (const [, path, environment, , code = ''] of blocks) {
    if (path !== undefined) files.set(path, code);
    else if (environment !== undefined) env = { ...env, ...variablesIn(code) };
    else
      setup.push(
        ...code
          .trim()
          .split('\n')
          .map((line) => line.split(' ')),
      );
  }
  if (files.size + Object.keys(env).length + setup.length === 0)
    throw new Error(`docs/agents.md has no recipe for ${heading}`);
  return { files, env, setup };
}

/**
 * Writes the files of a recipe for a user.
 * @param home the user's home
 * @returns the recipe's environment and commands, for this user
 */
export function applyRecipe(
  recipe: Recipe,
  home: string,
  { url, key }: { url: string; key: string },
): Omit<Recipe, 'files'> {
  const fill = (text: string): string => text.replaceAll(documentedUrl, url).replaceAll(documentedKey, key);
  for (const [path, text] of recipe.files) {
    const file = join(home, path.slice(2));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, fill(text));
  }
  const env = Object.fromEntries(Object.entries(recipe.env).map(([name, value]) => [name, fill(value)]));
  return { env, setup: recipe.setup.map((words) => words.map(fill)) };
}
