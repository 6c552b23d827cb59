/**
 * Cuts a body at each of its bytes, in few passes. Each pass cuts it at many places, so far apart that a whole line lies
 * between two cuts: a decoder that is given such pieces stands at each cut as if it were the only one. One pass for each
 * cut would cost time proportional to the square of the body's length.
 *
 * @param minCuts enough passes for so many cuts, spread evenly. Absent: a cut at every byte
 * @returns for each pass the body in pieces
 */
export function* cutPasses(body: Buffer, minCuts = Infinity): Generator<Buffer[], void> {
  const lengths = body
    .toString('latin1')
    .split('\n')
    .map(({ length }) => length + 1);
  const spacing = Math.min(2 * Math.max(...lengths), body.length - 1);
  const passes = Math.min(Math.ceil((minCuts * spacing) / body.length), spacing);
  for (let pass = 0; pass < passes; pass += 1) {
    const first = 1 + Math.floor((pass * spacing) / passes);
    const pieces = [body.subarray(0, first)];
    for (let start = first; start < body.length; start += spacing) pieces.push(body.subarray(start, start + spacing));
    yield pieces;
  }
}

/** @returns the positions at which pieces are cut, for the message of a failure */
export function describeCuts(pieces: readonly Buffer[]): string {
  let position = 0;
  const positions = pieces.slice(0, -1).map(({ length }) => (position += length));
  return `cut at ${positions.join(', ')}`;
}
