import { join } from 'node:path';
import type { Agent, Column, Task } from './agent.ts';
import type { Answer, ChatRequest, Message, Model } from './model.ts';
import type { Output } from './processes.ts';

// What happens in each column. A verdict comes from the requests that reached the model and from what the agent printed.

export const secret = 'PELICAN-77';
const said = 'HERON-42';
/** A word of the prompt, by which a request is known to be of the task itself, not of a title or another side job. */
const asked = 'OSPREY-31';

/** Milliseconds that the model is silent. Agents whose patience can be set give up after 15 s. */
const silence = 22_000;
const refusal = 'the prompt is too long: 40960 tokens, model maximum context length: 32768';

export interface Trial {
  readonly agent: Agent;
  readonly model: Model;
  readonly work: string;
  run(task: Partial<Task> & { readonly prompt: string }): Promise<Output>;
}

function check(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Error(why);
}

/** The end of what an agent printed, on a line. */
function lastOf({ code, stdout, stderr }: Output): string {
  const text = `${stdout.trim()} ${stderr.trim()}`.trim().replaceAll(/\s+/g, ' ');
  return `exit ${code}: ${text.slice(-400)}`;
}

function printed(output: Output, text: string): void {
  check(output.code === 0, `the agent fails: ${lastOf(output)}`);
  check(output.stdout.includes(text), `the agent does not print ${text}: ${lastOf(output)}`);
}

/** Requests of the task. Side jobs, such as a title for the session, come without tools. */
function mainRequests({ agent, model }: Trial): ChatRequest[] {
  const ofTask = model.requests.filter(({ messages }) => JSON.stringify(messages).includes(asked));
  return agent.read === undefined ? ofTask : ofTask.filter(({ tools = [] }) => tools.length > 0);
}

const isMain = (agent: Agent, request: ChatRequest): boolean =>
  (agent.read === undefined || (request.tools ?? []).length > 0) && JSON.stringify(request.messages).includes(asked);

function resultsIn(messages: readonly Message[] = []): string[] {
  return messages.filter(({ role }) => role === 'tool').map(({ content = '' }) => content);
}

/** Calls the tools until their results are there, and then says them. */
function toolScript(agent: Agent, calls: NonNullable<Answer['calls']>) {
  return (request: ChatRequest): Answer => {
    if (!isMain(agent, request)) return { text: 'A title' };
    const results = resultsIn(request.messages);
    return results.length < calls.length ? { calls } : { text: `The results are: ${results.join(' and ')}. ${said}` };
  };
}

async function text(trial: Trial): Promise<void> {
  trial.model.script = () => ({ text: said });
  printed(await trial.run({ prompt: `Say the word that belongs to ${asked}.` }), said);
  check(mainRequests(trial).length > 0, 'the prompt does not reach the model');
}

async function toolRound(trial: Trial): Promise<void> {
  const { agent, work } = trial;
  check(agent.read !== undefined, 'no tool');
  trial.model.script = toolScript(agent, [agent.read(join(work, 'secret.txt'))]);
  printed(await trial.run({ prompt: `Read secret.txt for ${asked}.` }), secret);
}

async function parallelTools(trial: Trial): Promise<void> {
  const { agent, work, model } = trial;
  check(agent.read !== undefined, 'no tool');
  const calls = [agent.read(join(work, 'one.txt')), agent.read(join(work, 'two.txt'))];
  model.script = toolScript(agent, calls);
  printed(await trial.run({ prompt: `Read one.txt and two.txt for ${asked}.` }), said);
  const [first = '', second = ''] = resultsIn(mainRequests(trial).at(-1)?.messages);
  check(
    first.includes('FIRST') && second.includes('SECOND'),
    `results reach the model as ${JSON.stringify([first, second])}`,
  );
}

/** True if a picture of a format that models read is among the messages. */
function hasPicture(request: ChatRequest | undefined): boolean {
  const images = (request?.messages ?? []).flatMap((message) => message.images ?? []);
  return images.some((image) => /^(iVBORw0KGgo|\/9j\/|UklGR)/.test(image));
}

async function image(trial: Trial): Promise<void> {
  const { agent, work, model } = trial;
  const picture = join(work, 'dot.png');
  const look = agent.look?.(picture);
  model.script = look === undefined ? () => ({ text: said }) : toolScript(agent, [look]);
  const output = await trial.run({
    prompt: `Look at dot.png for ${asked}.`,
    ...(look === undefined && { image: picture }),
  });
  printed(output, said);
  check(mainRequests(trial).some(hasPicture), 'the picture does not reach the model');
}

async function longWait(trial: Trial): Promise<void> {
  const { agent, model } = trial;
  model.script = (request) => (isMain(agent, request) ? { text: said, delay: silence } : { text: 'A title' });
  printed(await trial.run({ prompt: `Think long about ${asked}.`, impatient: true }), said);
  // Without those that come after the answer, such as one that extracts memories.
  const count = mainRequests(trial).filter(({ messages = [] }) => messages.at(-1)?.content?.includes(asked)).length;
  check(count === 1, `the agent asks ${count} times`);
}

async function overflow(trial: Trial): Promise<void> {
  const { model } = trial;
  model.script = ({ messages }) => (JSON.stringify(messages).includes(asked) ? { refusal } : { text: said });
  const output = await trial.run({ prompt: `Summarize the whole book about ${asked}.` });
  const words = `${output.stdout}\n${output.stderr}`;
  const wentOn = output.code === 0 && output.stdout.includes(said);
  const actionable =
    /prompt.{0,20}too long|context (length|window|limit)|(longer than|exceeds?) the (model's )?context|token count.{0,20}exceeds|too many tokens/is.test(
      words,
    );
  check(wentOn || actionable, `the agent neither goes on nor says what to do: ${lastOf(output)}`);
  check(model.requests.length <= 12, `the agent asks ${model.requests.length} times`);
}

async function resume(trial: Trial): Promise<void> {
  const { model } = trial;
  model.script = () => ({ text: said });
  printed(await trial.run({ prompt: `Remember the word ${asked}.` }), said);
  model.requests.splice(0);
  model.script = () => ({ text: 'It was MAGPIE-5.' });
  printed(await trial.run({ prompt: 'Which word was it?', resume: true }), 'MAGPIE-5');
  const history = JSON.stringify(mainRequests(trial).at(-1)?.messages ?? []);
  const order = [history.indexOf(asked), history.indexOf(said), history.lastIndexOf('Which word was it?')];
  check(!order.includes(-1), 'the first turn does not reach the model whole');
  check(
    order.every((at, index) => index === 0 || at > (order[index - 1] ?? 0)),
    'the turns reach the model in another order',
  );
}

export const trials: Readonly<Record<Column, (trial: Trial) => Promise<void>>> = {
  text,
  'tool round': toolRound,
  'parallel tools': parallelTools,
  image,
  'long wait': longWait,
  overflow,
  resume,
};
