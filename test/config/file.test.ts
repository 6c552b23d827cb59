import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../src/config/error.ts';
import { parseConfig, readConfigFile } from '../../src/config/file.ts';

/** The issues as `LINE:COLUMN PATH MESSAGE`. */
function issuesOf(text: string): string[] {
  try {
    parseConfig(text, 'file.yaml');
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.issues.map(({ line, column, path, message }) => `${line}:${column} ${path} ${message}`);
  }
  return [];
}

const hash = `sha256:${'0'.repeat(64)}`;
const otherHash = `sha256:${'1'.repeat(64)}`;

test('an empty file, or one with only comments, means the defaults', () => {
  assert.deepEqual(parseConfig('', 'f').listen, { host: '127.0.0.1', port: 11435 });
  assert.equal(parseConfig('# nothing\n', 'f').timeouts.grace, 30_000);
});

test('a timeout is at most 24 days, because a longer timer would fire at once', () => {
  const { timeouts, usage } = parseConfig('timeouts: {total: 60d, drain: 24d}\nusage: {retention: 90d}\n', 'a.yaml');
  const day = 86_400_000;
  assert.deepEqual([timeouts.total, timeouts.drain, usage.retention], [24 * day, 24 * day, 90 * day]);
});

test('the time to the first token is a duration, or auto by default', () => {
  const firstToken = (text: string): unknown => parseConfig(text, 'f').timeouts.first_token;
  assert.equal(firstToken(''), 'auto');
  assert.equal(firstToken('timeouts: {first_token: auto}'), 'auto');
  assert.equal(firstToken('timeouts: {first_token: 90s}'), 90_000);
  assert.equal(firstToken('timeouts: {first_token: 0s}'), 0);
});

test('durations, sizes and addresses are parsed', () => {
  const config = parseConfig(
    'listen: "[::1]:0"\ntimeouts: {idle: 1.5m, connect: 250ms}\nlimits:\n  line: 512KiB\n',
    'f',
  );
  assert.deepEqual(config.listen, { host: '::1', port: 0 });
  assert.equal(config.timeouts.idle, 90_000);
  assert.equal(config.timeouts.connect, 250);
  assert.equal(config.limits.line, 524_288);
});

const missingColon = 'the colon after this name is missing, or a quote before it is not closed';

const invalid: readonly [name: string, text: string, expected: readonly (string | RegExp)[]][] = [
  ['an invalid value', 'log_level: info\nlisten: here', ['2:9 listen expected HOST:PORT, for example 127.0.0.1:11435']],
  ['a port above 65535', 'listen: a:99999', ['1:9 listen expected a port of at most 65535']],
  [
    'a number in place of a duration',
    'timeouts: {grace: 30}',
    ['1:19 timeouts.grace expected a duration such as 250ms, 30s, 5m, 1h or 7d'],
  ],
  [
    'a time to the first token that is neither auto nor a duration',
    'timeouts: {first_token: automatic}',
    ['1:25 timeouts.first_token expected auto, or a duration such as 30s or 5m'],
  ],
  ['an unknown setting', 'limits:\n  zzz: 3MiB\n', ['2:3 limits.zzz unknown setting']],
  [
    'a misspelt setting, with the nearest one',
    'limits:\n  bdy: 3MiB\ntimeouts: {firstToken: 2s}\n',
    [
      '2:3 limits.bdy unknown setting; did you mean body?',
      '3:12 timeouts.firstToken unknown setting; did you mean first_token?',
    ],
  ],
  [
    'a misspelt setting in a list and in a map with free names',
    `keys:\n  - {name: a, hash: "${hash}", expire: 2030-01-01}\ngroups: {lab: {limits: {concurent: 3}}}\n`,
    [
      '2:96 keys[0].expire unknown setting; did you mean expires?',
      '3:25 groups.lab.limits.concurent unknown setting; did you mean concurrent?',
    ],
  ],
  [
    'the beginning of a setting',
    'alias: {a: b}\nretr: {}\nmax: 1\n',
    [
      '1:1 alias unknown setting; did you mean aliases?',
      '2:1 retr unknown setting; did you mean retries?',
      '3:1 max unknown setting',
    ],
  ],
  [
    'a setting in the wrong map',
    'first_token: 2s\n',
    ['1:1 first_token unknown setting; did you mean timeouts.first_token?'],
  ],
  [
    'a misspelt group, with the nearest one',
    `groups: {lab: {}, staff: {}}\nkeys:\n  - {name: a, hash: "${hash}", group: stuff}\n`,
    ['3:103 keys[0].group unknown group "stuff"; did you mean staff? (defined groups: lab, staff)'],
  ],
  [
    'a required setting that is missing',
    `keys:\n  - name: a\n    hash: ${hash}\n  - name: b\n`,
    ['4:5 keys[1].hash is required'],
  ],
  [
    'a duplicate key name',
    `keys:\n  - {name: a, hash: "${hash}"}\n  - {name: a, hash: "${otherHash}"}\n`,
    ['3:12 keys[1].name another key has this name'],
  ],
  [
    'a duplicate secret',
    `keys:\n  - {name: a, hash: "${hash}"}\n  - {name: b, hash: "${hash}"}\n`,
    ['3:21 keys[1].hash another secret has this hash'],
  ],
  [
    'a date that does not exist',
    `keys:\n  - name: a\n    hash: ${hash}\n    expires: 2027-02-30\n`,
    ['4:14 keys[0].expires expected a date such as 2027-01-31, or a time such as 2027-01-31T18:00:00Z'],
  ],
  [
    'a URL with an unsupported scheme',
    'upstreams: [{url: "ftp://x"}]',
    ['1:19 upstreams[0].url expected a URL such as http://127.0.0.1:11434'],
  ],
  [
    'a URL with a port that cannot be, once',
    'upstreams: [{url: "http://me:secret@x:99999", headers: {authorization: a}}]',
    ['1:19 upstreams[0].url expected a URL such as http://127.0.0.1:11434'],
  ],
  [
    'a duplicate upstream name',
    'upstreams: [{url: "http://a"}, {url: "http://b"}]',
    ['1:32 upstreams[1].name another upstream has this name'],
  ],
  [
    'a pattern with the default host and namespace',
    'models: [{match: "library/tiny*"}]',
    [
      '1:18 models[0].match leave out registry.ollama.ai/ and library/: a pattern is compared with names without them, for example llama3*',
    ],
  ],
  [
    'two spellings of an alias',
    'aliases: {fast: "a", "ollama/FAST:latest": "b"}',
    ['1:44 aliases.ollama/FAST:latest another spelling of the alias "fast"'],
  ],
  [
    'a pattern as the target of an alias',
    'aliases: {claude-*: qwen*}',
    ['1:21 aliases.claude-* expected the name of a model, without *'],
  ],
  [
    'an unknown encoding of tokens',
    'embeddings: {tokens: p50k_base}',
    ['1:22 embeddings.tokens expected one of "cl100k_base"|"o200k_base"|"refuse"'],
  ],
  [
    'an unknown value of think_tags',
    'models: [{match: a, think_tags: on}]',
    ['1:33 models[0].think_tags expected one of "keep"|"split"'],
  ],
  [
    'an unknown value of tools',
    'models: [{match: a, tools: on}]',
    ['1:28 models[0].tools expected one of "emulate"|"drop"|"refuse"'],
  ],
  [
    'too many repairs of tool calls',
    'models: [{match: a, repair_tools: 4}]',
    ['1:35 models[0].repair_tools Too big: expected number to be <=3'],
  ],
  ['an empty section', 'limits:\n', ['1:8 limits expected a map, received nothing']],
  ['a list in place of the whole file', '\n- a', ['2:1  expected a map, received a list']],
  ['a duplicate setting', 'listen: a:1\nlisten: a:2\n', ['2:1  this name is already used in the same map']],
  ['a quote that is not closed', 'access: keys\nlisten: "x', ['2:11  a quote is not closed']],
  ['a tab', 'limits:\n\tbody: 1MiB\n', ['2:1  this line is indented with a tab; use spaces']],
  ['a colon that is missing', 'access keys\nstrict: true\n', [`1:1  ${missingColon}`]],
  [
    'a map below a value, once',
    'access: open\n  - x: [\n',
    ['1:9  a second value for this name; put text with a colon in quotes, and check the indentation below'],
  ],
  ['a bracket that is not closed', 'cors: [a, b\nstrict: true\n', ['2:1  a bracket [ or a brace { is not closed']],
  ['a star without quotes', 'models:\n  - match: *\n', [/^2:12 {2}an alias such as \*name needs a name/]],
  ['a value that needs quotes', 'default_model: @a\n', [/must be in quotes$/]],
  ['an alias without an anchor', 'listen: *x', ['1:9  no anchor &x before this alias']],
  [
    'several errors, in the order of the file',
    'foo: 1\naccess: opn\nbar: 2\n',
    ['1:1 foo unknown setting', '2:9 access expected one of "keys"|"open"', '3:1 bar unknown setting'],
  ],
];

for (const [name, text, expected] of invalid) {
  test(`parseConfig reports line and column of ${name}`, () => {
    const issues = issuesOf(text);
    assert.equal(issues.length, expected.length, issues.join('\n'));
    for (const [index, one] of expected.entries()) {
      if (typeof one === 'string') assert.equal(issues[index], one);
      else assert.match(issues[index] ?? '', one);
    }
  });
}

for (const [settings, expected] of [
  ['url: "http://h:11434/v1"', /without \/v1; for another server with an OpenAI API, set kind: openai$/],
  ['url: "http://h:11434/v1/"', /without \/v1/],
  ['url: "http://h:11434/v1/chat/completions"', /without \/v1/],
  ['url: "http://h:11434/api"', /without \/api/],
  ['url: "http://h/prefix/api/chat"', /without \/api/],
  ['url: "http://h/prefix"', undefined],
  ['url: "https://gateway.test/v1/account/ollama"', undefined],
  ['kind: openai, url: "http://h:8000"', /with its path, which usually is \/v1/],
  ['kind: openai, url: "http://me:secret@h:8000/"', /with its path, which usually is \/v1/],
  ['kind: openai, url: "http://h:8000/v1/chat/completions"', /without the path of a request$/],
  ['kind: openai, url: "http://h:8000/v1/"', undefined],
  ['kind: openai, url: "http://h:8000/api"', undefined],
] as const) {
  test(`the upstream {${settings}} is ${expected === undefined ? 'accepted' : 'refused'}`, () => {
    const issues = issuesOf(`upstreams: [{${settings}}]`);
    assert.equal(issues.length, expected === undefined ? 0 : 1);
    if (expected !== undefined) assert.match(issues[0] ?? '', expected);
    assert.doesNotMatch(issues.join(), /secret/);
  });
}

test('a ConfigError message has one line per error, with the file name', () => {
  assert.throws(() => parseConfig('foo: 1\nlisten: "', 'my.yaml'), {
    name: 'ConfigError',
    message: 'my.yaml:2:10: a quote is not closed',
  });
  assert.throws(() => parseConfig('foo: 1\nbar: 2', 'my.yaml'), {
    message: 'my.yaml:1:1: foo: unknown setting\nmy.yaml:2:1: bar: unknown setting',
  });
});

test('readConfigFile throws a ConfigError without issues when the file cannot be read', async () => {
  await assert.rejects(readConfigFile('/nowhere/file.yaml'), {
    name: 'ConfigError',
    issues: [],
    message: /ENOENT.*\/nowhere\/file\.yaml/,
  });
});
