/**
 * A load, told by the name of a model: `bench-n100-i20-b1-d0-t1-p0` is 100 tokens, 20 ms between writes, 1 line in each,
 * no delay before the first, each token stamped with the time it was sent, for bodies of any size. What is not named has
 * the values of {@link plain}; a tag such as `:latest` is passed over.
 */
export interface Load {
  /** n */
  readonly tokens: number;
  /** i: milliseconds between writes. 0: as fast as they are taken. */
  readonly interval: number;
  /** b: lines, each with a token, in a write. */
  readonly lines: number;
  /** d: milliseconds before the first write. */
  readonly delay: number;
  /** t: whether each token begins with the microsecond it was sent at. */
  readonly stamped: boolean;
  /** p: bytes that a request has at least: a cut prompt is refused. */
  readonly prompt: number;
}

const plain: Load = { tokens: 200, interval: 0, lines: 1, delay: 0, stamped: false, prompt: 0 };

const fields = { n: 'tokens', i: 'interval', b: 'lines', d: 'delay', p: 'prompt' } as const;

const name = /^bench((?:-[nibdtp]\d+(?:\.\d+)?)*)(?::\w+)?$/;

/** @returns the load, or undefined where the name tells none */
export function readLoad(model: string): Load | undefined {
  const parts = name.exec(model)?.[1]?.split('-').slice(1);
  if (parts === undefined) return undefined;
  const load: { -readonly [Name in keyof Load]: Load[Name] } = { ...plain };
  for (const part of parts) {
    const value = Number(part.slice(1));
    if (part.startsWith('t')) load.stamped = value !== 0;
    else load[fields[part[0] as keyof typeof fields]] = value;
  }
  return load;
}

// Some of them are escaped in JSON, some are not ASCII, some are empty of letters: whoever changes text is noticed.
// prettier-ignore
const words = [
  ' the', ' quick', ' brown', ' fox', ' jumps', ' over', ' a', ' lazy', ' dog', '.', '\n\n', 'It', ' said', ':', ' "',
  'hello', '"', ' and', ' then', ' 世界', ' caf', 'é', ',', ' <', 'b', '>', ' & ', '42', ' \\', 'n', ' stream', 'ing',
];

/** The tokens of an answer, without stamps. */
export function tokensOf({ tokens }: Load): readonly string[] {
  return Array.from({ length: tokens }, (_, index) => words[index % words.length] ?? '');
}

/** How long a stamp is: microseconds, with zeros before. */
export const stampLength = 16;

/** Microseconds of the clock that all processes of a machine share. */
export function microseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3;
}

export function stampOf(time: number): string {
  return String(Math.floor(time)).padStart(stampLength, '0');
}
