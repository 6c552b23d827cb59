import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatEvent } from '../../src/chat/event.ts';
import { callsInText } from '../../src/calls/text/text-calls.ts';
import { ToolNames } from '../../src/calls/tool-names.ts';

const properties = { query: { type: 'string' } };
const names = new ToolNames([
  ...['search', 'get', 'a'].map((name) => ({ name, parameters: { type: 'object', properties } })),
  { name: 'list_all' },
  { name: 'run', parameters: { type: 'object', properties: { command: { type: 'string' } } } },
]);

/** @returns texts, and the names of calls in brackets */
function read(pieces: readonly string[]): string {
  const events: ChatEvent[] = [];
  const emit = callsInText((event) => events.push(event), { names, maxHeld: 100_000, newId: () => 'call_1' });
  for (const text of pieces) emit({ type: 'text', text });
  emit({ type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, timings: {} });
  return events
    .map((event) => (event.type === 'text' ? event.text : event.type === 'tool-call' ? `[${event.name}]` : ''))
    .join('');
}

function divisions(text: string): (readonly string[])[] {
  const halves = Array.from(text, (_, at) => [text.slice(0, at), text.slice(at)]);
  return [[text], text.split(''), ...halves];
}

const json = '{"name": "search", "arguments": {"query": "cats"}}';
const call = `<tool_call>${json}</tool_call>`;
const block = `<tool_call>\n${json}\n</tool_call>`;
const fence = '```';
const schema = '{"type": "object", "properties": {"query": {"type": "string"}}}';

const texts: readonly (readonly [string, string])[] = [
  ['code within a line', `To call a tool, write \`${call}\`.`],
  ['code within a line, at the end of the answer', `Write \`${call}\``],
  ['code in two backticks', `Write \`\`${call}\`\``],
  ['a code block', `The format is:\n\n${fence}xml\n${block}\n${fence}`],
  ['a code block of tildes', `~~~\n${block}\n~~~`],
  ['a code block with blocks in it', `${fence}${fence}\n${fence}\n${block}\n${fence}\n${block}\n${fence}${fence}\n`],
  ['a code block in a list', `1. First:\n   ${fence}\n   ${block}\n   ${fence}\n2. Then`],
  ['a code block without its end', `${fence}\n${block}\n`],
  ['tokens of models in a code block', `${fence}\n<|python_tag|>${json}\n[TOOL_CALLS][${json}]\n${fence}`],
  ['a sentence that goes on', `To call a tool, write ${call} and wait.`],
  ['dots for arguments', 'Write <tool_call>{"name": "search", "arguments": {...}}</tool_call>'],
  ['quotes', `It prints "${call}"`],
  ['curly quotes', `It prints “${call}”`],
  ['parentheses', `It prints a call (${call})`],
  ['a quoted line', `> ${call}\n`],
  ['a table', `| Hermes | ${call} |\n`],
  ['a diff', `-${call}\n+${call}\n`],
  ['comments', `# ${call}\n// ${call}\n`],
  ['a chat log', `**User:** find cats\n**Assistant:** ${call}\n**Tool:** 3\n`],
  ['a list of formats', `- Hermes: ${call}\n- Mistral: [TOOL_CALLS][${json}]`],
  ['a log with names', `Alice: list it\nQwen: ${call}\nTool: a`],
  ['a here document', `cat > p <<'EOF'\n${block}\nEOF\n`],
  ["Python's long strings", `X = """\n${block}\n"""`],
  ['code in HTML', `<pre>\nSo:\n${block}\n</pre>`],
  ['a comment in HTML', `<!--\n${block}\n-->`],
  ["JavaScript's templates", `const p = \`\n${block}\n\`;`],
  ['listings of LaTeX', `\\begin{verbatim}\n${block}\n\\end{verbatim}`],
  ['blocks of Org', `#+begin_src xml\n${block}\n#+end_src`],
  ['an element', `<session>\n  ${block}\n</session>`],
  ['indented code', `So:\n\n    ${call}\n`],
  ['quotation marks on lines of their own', `"\n${block}\n"`],
  ['an explanation with tokens', 'LFM writes <|tool_call_start|>[search(query="a")]<|tool_call_end|> there.'],
  ['an XML document', `<log>\n  <entry>${call}</entry>\n</log>`],
  ['JSON after text', `I would send:\n${json}`],
  ['JSON in a code block after text', `Here it is.\n${fence}json\n${json}\n${fence}`],
  ['JSON before text', `${json}\n\nThat is what I would send.`],
  ['JSON in a code block before text', `${fence}json\n${json}\n${fence}\nSo.`],
  ['the description of a tool', `{"name": "search", "parameters": ${schema}}`],
  [
    "the description of a tool in OpenAI's format",
    `{"type": "function", "function": {"name": "search", "parameters": ${schema}}}`,
  ],
  ['descriptions of arguments', '{"name": "search", "parameters": {"query": {"type": "string"}}}'],
  ['no arguments', '{"name": "search", "arguments": null}'],
  ['half of a value', '<tool_call>\n<function=run>\n<parameter=command>\nrm -r /a'],
  ['the name of a tool alone', '{"name": "search"}'],
  ['a record with other members', '{"name": "run", "arguments": {"command": "ls"}, "status": "passed"}'],
  ['a record with other arguments', '{"name": "run", "parameters": {"alpha": 1}}'],
  ['a list in Python after text', 'The list is:\n[search(query="a"), search(query="b")]'],
  ['a list in Python before text', '[search(query="a")]\nIt is lazy.'],
  ['a link', '[run(command="x")](https://example.com)'],
];

const answers: readonly (readonly [string, string, string])[] = [
  ['a sentence', `Let me see.${call}`, 'Let me see.[search]'],
  ['a block, and then text', `${block}\nPlease wait.`, '[search]\nPlease wait.'],
  ['code within a line', `I use \`search\`.\n${block}`, 'I use `search`.\n[search]'],
  ['a stray backtick', `Don\`t wait.\n${block}`, 'Don`t wait.\n[search]'],
  ['a code block', `${fence}js\nx\n${fence}\n${block}`, `${fence}js\nx\n${fence}\n[search]`],
  ['thinking with backticks', `<think>\`a ${fence}</think>${call}`, `<think>\`a ${fence}</think>[search]`],
  ['half of the thinking', `So.</think>${call}`, 'So.</think>[search]'],
  ['a list item with words', `1. Search: ${call}`, '1. Search: [search]'],
  ['a comment in HTML', `<!-- x -->\n${call}`, '<!-- x -->\n[search]'],
  ['code in HTML', `<pre>\nx\n</pre>\n${call}`, '<pre>\nx\n</pre>\n[search]'],
  ["nothing, and a model's last token", `${call}<|im_end|>`, '[search]<|im_end|>'],
  ["text, and a model's last token", `I call ${call}<|im_end|>`, 'I call [search]<|im_end|>'],
  ['a plan', `Search.\nAction: ${fence}json\n[${json}]\n${fence}`, 'Search.\n[search]'],
  ['nothing, without arguments', '<tool_call>list_all\n</tool_call>', '[list_all]'],
];

suite('a call that is only shown', () => {
  for (const [what, text] of texts) {
    test(`stays text in ${what}`, () => {
      for (const pieces of divisions(text)) assert.equal(read(pieces), text);
    });
  }

  for (const [what, text, expected] of answers) {
    test(`is told from a call after ${what}`, () => {
      for (const pieces of divisions(text)) assert.equal(read(pieces), expected);
    });
  }
});

suite('text that cannot be a call', () => {
  test('is not held back, whatever brackets and marks it has', () => {
    const words = [
      'Use <b>x</b>, [a](b) ',
      'and `[` here.\n\n',
      '- [ ] to',
      'do\n- [x] done\n',
      '{"a": ',
      '[1]}\n',
      'The tag <tool_call>',
      ' begins it, <function=run> opens',
      ' it, [TOOL_CALLS] run',
      ' the JSON, "<tool_call>" too, <invoke name="a">',
      ' and <｜tool▁calls▁begin｜>',
      ' first. <tool_calls>[',
      'x] and so',
      ' on',
    ];
    let sent = 0;
    let given = 0;
    const emit = callsInText((event) => (sent += event.type === 'text' ? event.text.length : 0), {
      names,
      maxHeld: 100_000,
      newId: () => 'call_1',
    });
    for (const text of words) {
      emit({ type: 'text', text });
      given += text.length;
      assert.ok(given - sent < 45, `${given - sent} characters are held back after ${JSON.stringify(text)}`);
    }
    assert.equal(sent, given);
  });
});
