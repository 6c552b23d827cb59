/** Runs before the live suite. Exits when there is no Ollama with the scripted models. */
export async function globalSetup(): Promise<void> {
  const url = process.env['LLAMADUCT_TEST_OLLAMA'];
  const problem = url === undefined ? 'it is not set' : await problemOf(url);
  if (problem === undefined) return;
  process.stderr.write(
    'LLAMADUCT_TEST_OLLAMA must be the address of a real Ollama with the scripted models, as ../shared/ollama/build.sh ' +
      `and then ../shared/ollama/start.sh make and print it; ${problem}.\n`,
  );
  process.exit(1);
}

/** @returns why the server cannot be used; undefined when it can */
async function problemOf(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/api/tags`, { signal: AbortSignal.timeout(5_000) });
    return (await response.text()).includes('"scripted-plain:latest"')
      ? undefined
      : `${url} does not have scripted-plain`;
  } catch {
    return `there is no server at ${url}`;
  }
}
