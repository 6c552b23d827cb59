import type { AssistantMessage, ChatRequest, Message, Tool, ToolMessage, UserMessage } from './request.ts';

// For models whose template knows no tools: a system message describes them, and calls and results are text, as models of the
// Hermes and Qwen families write them.

/** @returns the request without tools, and with the calls and results of its history as text */
export function withoutTools(request: ChatRequest): ChatRequest {
  const { tools: _, toolChoice: __, parallelToolCalls: ___, ...rest } = request;
  return { ...rest, messages: withCallsAsText(rest.messages) };
}

/** @returns the request with its tools described in a system message, and with the calls and results of its history as text */
export function withToolsAsText(request: ChatRequest): ChatRequest {
  const { tools = [], toolChoice } = request;
  const messages = withCallsAsText(request.messages);
  const allowed = typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : tools;
  const text = instructions(allowed, request);
  // One system message: some templates know no second one.
  const [first, ...others] = messages;
  const described: readonly Message[] =
    first?.role === 'system'
      ? [{ ...first, text: `${first.text}\n\n${text}` }, ...others]
      : [{ role: 'system', text }, ...messages];
  return { ...request, messages: described, toolsAreText: true };
}

function instructions(tools: readonly Tool[], { toolChoice, parallelToolCalls }: ChatRequest): string {
  const need =
    toolChoice === undefined
      ? 'Call one only if you need it; otherwise answer as usual.'
      : 'Call one of them now, and write nothing else.';
  const count = parallelToolCalls === false ? 'Make one call at most.' : 'Several calls follow each other.';
  const list = tools
    .map(({ name, description, parameters }) =>
      JSON.stringify({ type: 'function', function: { name, description, parameters } }),
    )
    .join('\n');
  return `# Tools

You may call these functions, which are described in JSON:
<tools>
${list}
</tools>

${need} For a call, write a JSON object with its name and arguments within <tool_call></tool_call> tags, and nothing after the last call. ${count}
<tool_call>
{"name": "NAME", "arguments": {"PARAMETER": "VALUE"}}
</tool_call>
The results follow within <tool_response></tool_response> tags.`;
}

/** Results that follow each other, and the user's next message, are one message: some templates want the roles to alternate. */
function withCallsAsText(messages: readonly Message[]): readonly Message[] {
  const texts: Message[] = [];
  let mayGrow = false;
  for (const message of messages) {
    const next = message.role === 'tool' ? toResponse(message) : message;
    const last = texts.at(-1);
    if (mayGrow && last?.role === 'user' && next.role === 'user') texts.splice(-1, 1, joined(last, next));
    else texts.push(next.role === 'assistant' && next.toolCalls.length > 0 ? withCallText(next) : next);
    mayGrow = message.role === 'tool';
  }
  return texts;
}

function joined(one: UserMessage, other: UserMessage): UserMessage {
  return {
    role: 'user',
    text: `${one.text}\n${other.text}`,
    images: [...one.images, ...other.images],
    audio: [...(one.audio ?? []), ...(other.audio ?? [])],
    documents: [...(one.documents ?? []), ...(other.documents ?? [])],
  };
}

function withCallText(message: AssistantMessage): AssistantMessage {
  const calls = message.toolCalls.map(
    ({ name, arguments: args }) => `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`,
  );
  const text = [message.text, ...calls].filter((part) => part !== '').join('\n');
  return { ...message, text, toolCalls: [] };
}

function toResponse({ text, images = [], audio = [], documents = [] }: ToolMessage): UserMessage {
  return { role: 'user', text: `<tool_response>\n${text}\n</tool_response>`, images, audio, documents };
}
