/** Runs before the live suite: without a server to test against there is nothing to run. */
export async function globalSetup(): Promise<void> {
  const url = process.env['LLAMADUCT_TEST_OLLAMA'];
  const fault = url === undefined ? 'it is not set' : await whyUnfit(url);
  if (fault === undefined) return;
  process.stderr.write(
    'LLAMADUCT_TEST_OLLAMA must be the address of a real Ollama with the scripted models, as ../shared/ollama/build.sh ' +
      `and then ../shared/ollama/start.sh make and print it; ${fault}.\n`,
  );
  process.exit(1);
}

async function whyUnfit(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/api/tags`, { signal: AbortSignal.timeout(5_000) });
    return (await response.text()).includes('"scripted-plain:latest"') ? undefined : `${url} has no scripted-plain`;
  } catch {
    return `nothing answers at ${url}`;
  }
}
