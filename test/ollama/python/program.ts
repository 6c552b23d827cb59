import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type TestGateway, secret } from '../../helpers/gateway.ts';
import { ollama } from '../live.ts';
import { broken, brokenUnread } from './expected.ts';

/** The interpreter that has the packages of requirements.txt. */
const python = process.env['LLAMADUCT_TEST_PYTHON'];

/** For a suite's `skip`. */
export const noPython =
  python === undefined && 'LLAMADUCT_TEST_PYTHON is not set to a Python with the packages of python/requirements.txt';

/** What a program prints of one case. */
export interface Outcome {
  readonly case: string;
  readonly ok: boolean;
  /** What the case returned, or what it raised. */
  readonly values: unknown;
}

/** Milliseconds. LiteLLM takes seconds to be imported, and waits before it tries again. */
const timeout = 200_000;

/** Runs a program of this folder against llamaduct, in an environment without anybody's settings. */
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
        // LiteLLM would ask GitHub for prices.
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        LANGSMITH_TRACING: 'false',
      },
      maxBuffer: 16 * 1024 * 1024,
      timeout,
    },
  );
  return stdout
    .replaceAll(brokenUnread, broken)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
}
