import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { transportError } from '../../src/upstreams/http/client.ts';

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

suite('transportError', () => {
  const cases: [name: string, error: unknown, before: string, during: string][] = [
    ['a refused connection', withCode('ECONNREFUSED'), 'upstream_unreachable', 'upstream_unreachable'],
    ['an unknown host', withCode('ENOTFOUND'), 'upstream_unreachable', 'upstream_unreachable'],
    ['a connect timeout', withCode('UND_ERR_CONNECT_TIMEOUT'), 'upstream_unreachable', 'upstream_unreachable'],
    [
      'several failed addresses',
      new AggregateError([withCode('ECONNREFUSED')]),
      'upstream_unreachable',
      'upstream_unreachable',
    ],
    ['a timeout of the head', withCode('UND_ERR_HEADERS_TIMEOUT'), 'upstream_timeout', 'upstream_timeout'],
    ['a timeout signal', new DOMException('too late', 'TimeoutError'), 'upstream_timeout', 'upstream_timeout'],
    ['a timeout of the body', withCode('UND_ERR_BODY_TIMEOUT'), 'upstream_idle_timeout', 'upstream_idle_timeout'],
    ['a reset connection', withCode('ECONNRESET'), 'upstream_error', 'upstream_incomplete'],
    ['an error without a code', new Error('parse error'), 'upstream_error', 'upstream_incomplete'],
    ['no error at all', undefined, 'upstream_error', 'upstream_incomplete'],
    ['the reason of an abort', new GatewayError('client_closed', 'gone'), 'client_closed', 'client_closed'],
  ];
  for (const [name, error, before, during] of cases) {
    test(`translates ${name} to ${before}, within a response to ${during}`, () => {
      assert.equal(transportError(error, 'before its answer').code, before);
      assert.equal(transportError(error, 'in the middle of its answer').code, during);
    });
  }
});
