/** @returns the text of a response, also of one whose connection breaks, and whether it ended cleanly */
export async function textUntilBroken(response: Response): Promise<{ text: string; complete: boolean }> {
  const chunks: Uint8Array[] = [];
  let complete = true;
  try {
    for await (const chunk of response.body ?? []) chunks.push(chunk as Uint8Array);
  } catch {
    complete = false;
  }
  return { text: Buffer.concat(chunks).toString('utf8'), complete };
}
