/**
 * A load that is encoded in the name of a model: `bench-n100-i20-b1-d0-t1-p0` means 100 tokens, 20 ms between writes, 1
 * line in each write, no delay before the first, each token stamped with the time at which it was sent, and request bodies
 * of any size. Parts that are missing have the values of {@link defaults}; a tag such as `:latest` is ignored.
 */
export interface Load {
  /** n */
  readonly tokens: number;
  /** i: milliseconds between writes. 0: as fast as the reader takes them. */
  readonly interval: number;
  /** b: lines in each write, with one token each. */
  readonly lines: number;
  /** d: milliseconds before the first write. */
  readonly delay: number;
  /** t: true when each token begins with the microsecond at which it was sent. */
  readonly stamped: boolean;
  /** p: the least number of bytes of a request's body; a shorter one is rejected. */
  readonly prompt: number;
}

const defaults: Load = { tokens: 200, interval: 0, lines: 1, delay: 0, stamped: false, prompt: 0 };

const fields = { n: 'tokens', i: 'interval', b: 'lines', d: 'delay', p: 'prompt' } as const;

const name = /^bench((?:-[nibdtp]\d+(?:\.\d+)?)*)(?::\w+)?$/;

/** @returns the load; undefined when the name describes none */
export function readLoad(model: string): Load | undefined {
  const parts = name.exec(model)?.[1]?.split('-').slice(1);
  if (parts === undefined) return undefined;
  const load: { -readonly [Name in keyof Load]: Load[Name] } = { ...defaults };
  for (const part of parts) {
    const value = Number(part.slice(1));
    if (part.startsWith('t')) load.stamped = value !== 0;
    else load[fields[part[0] as keyof typeof fields]] = value;
  }
  return load;
}

// Some are escaped in JSON, some are not ASCII, some have no letters, so that any change of the text is noticed.
// prettier-ignore
const words = [
  ' the', ' quick', ' brown', ' fox', ' jumps', ' over', ' a', ' lazy', ' dog', '.', '\n\n', 'It', ' said', ':', ' "',
  'hello', '"', ' and', ' then', ' 世界', ' caf', 'é', ',', ' <', 'b', '>', ' & ', '42', ' \\', 'n', ' stream', 'ing',
];

/** @returns the tokens of an answer, without stamps */
export function tokensOf({ tokens }: Load): readonly string[] {
  return Array.from({ length: tokens }, (_, index) => words[index % words.length] ?? '');
}

/** Digits of a stamp: microseconds with leading zeros. */
export const stampLength = 16;

/** @returns microseconds of the monotonic clock, which all processes of a machine share */
export function microseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3;
}

export function stampOf(time: number): string {
  return String(Math.floor(time)).padStart(stampLength, '0');
}
