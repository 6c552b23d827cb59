import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type TestGateway, secret } from '../../helpers/gateway.ts';
import { ollama } from '../live.ts';
import { broken, brokenRest, brokenUnread } from './expected.ts';

/** The Python interpreter with the packages of requirements.txt. */
const python = process.env['LLAMADUCT_TEST_PYTHON'];

/** The reason to skip a suite; false when there is a Python. */
export const noPython =
  python === undefined && 'LLAMADUCT_TEST_PYTHON is not set to a Python with the packages of python/requirements.txt';

/** The result of one case, as a program prints it. */
export interface Outcome {
  readonly case: string;
  readonly ok: boolean;
  /** The values that the case returned, or the exception that it raised. */
  readonly values: unknown;
}

/** Milliseconds. The import of LiteLLM takes seconds, and it waits before retries. */
const timeout = 200_000;

/** Runs a program of this folder against llamaduct, without the user's environment. @returns the results of its cases */
export async function outcomes(file: string, gateway: TestGateway): Promise<readonly Outcome[]> {
  const { stdout } = await promisify(execFile)(
    python ?? assert.fail(),
    ['-X', 'utf8', join(import.meta.dirname, file)],
    {
      env: {
        PATH: process.env['PATH'],
        LLAMADUCT_URL: gateway.url,
        LLAMADUCT_KEY: secret,
        OLLAMA_URL: ollama,
        NO_PROXY: '127.0.0.1',
        PYTHONDONTWRITEBYTECODE: '1',
        // Otherwise LiteLLM downloads prices from GitHub.
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        LANGSMITH_TRACING: 'false',
      },
      maxBuffer: 16 * 1024 * 1024,
      timeout,
    },
  );
  return stdout
    .replaceAll(brokenUnread, broken)
    .replaceAll(brokenRest, '')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
}
