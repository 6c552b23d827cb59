import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { textUntilBroken } from '../helpers/broken.ts';
import { testGateway } from '../helpers/gateway.ts';
import { type Recording, recordings } from '../helpers/recordings.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const incomplete = `${JSON.stringify({ error: 'The model stopped before its answer was complete.' })}\n`;

/** True for a stream without a done line: Ollama stops a model that repeats itself in this way. */
function isCut({ body, contentType }: Recording): boolean {
  return contentType?.startsWith('application/x-ndjson') === true && body.toString().endsWith('"done":false}\n');
}

suite("Ollama's own API", () => {
  // The fake upstream answers /api/tags itself.
  const all = recordings(/./).filter(({ path, complete }) => complete && path !== '/api/tags');

  test('is passed through byte for byte, with an error line added to a stream without a done line', async () => {
    let current: Recording | undefined;
    await using upstream = await fakeUpstream((res) => {
      assert.ok(current);
      res.writeHead(current.status, current.contentType === null ? {} : { 'content-type': current.contentType });
      for (let at = 0; at < current.body.length; at += 700) res.write(current.body.subarray(at, at + 700));
      res.end();
    });
    await using gateway = await testGateway(upstream);
    assert.ok(all.length > 300);
    for (current of all) {
      const { name, method, path, request } = current;
      // Odd spacing and a repeated field show that the text is passed on, not parsed JSON.
      const body = method === 'POST' ? `{ "x":1,  "x":2, "body" : ${JSON.stringify(request)} }` : undefined;
      const response = await gateway.fetch(path, { method, ...(body !== undefined && { body }) });
      const sent = upstream.requests.at(-1);
      assert.equal(response.status, current.status, name);
      if (current.status !== 503) assert.equal(response.headers.get('content-type'), current.contentType, name);
      const { text, complete } = await textUntilBroken(response);
      // A busy server is asked again, so its answer is not passed through.
      if (current.status === 503) assert.deepEqual(JSON.parse(text), JSON.parse(current.body.toString()), name);
      else assert.equal(text, current.body.toString() + (isCut(current) ? incomplete : ''), name);
      assert.equal(complete, !isCut(current), name);
      assert.deepEqual([sent?.method, sent?.url, sent?.body], [method, path, body ?? ''], name);
      assert.equal(sent?.headers.authorization, undefined, "the client's key was passed on");
    }
  });

  test('sends each line as soon as it arrives', async () => {
    let next: (() => void) | undefined;
    await using upstream = await fakeUpstream((res) => {
      ndjson(res).write(chatLine('one'));
      next = () => res.end(doneLine());
    });
    await using gateway = await testGateway(upstream);
    const response = await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"scripted-plain"}' });
    const reader = response.body?.getReader();
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), chatLine('one'));
    next?.();
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), doneLine());
  });

  test('ends a stream with an error line and a broken connection when the upstream breaks off between lines', async () => {
    await using upstream = await fakeUpstream(
      (res) => void ndjson(res).write(chatLine('Hel'), () => res.socket?.end()),
    );
    await using gateway = await testGateway(upstream);
    const response = await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"scripted-plain"}' });
    const error = { error: 'The upstream broke the connection in the middle of its answer.' };
    const { text, complete } = await textUntilBroken(response);
    assert.equal(text, `${chatLine('Hel')}${JSON.stringify(error)}\n`);
    assert.ok(!complete, 'a client that ignores error lines takes the answer for a complete one');
    await until('the log line', () => gateway.log.some(({ error }) => error === 'upstream_incomplete'));
  });

  test('breaks off a stream when the upstream breaks off within a line', async () => {
    await using upstream = await fakeUpstream(
      (res) => void ndjson(res).write(chatLine('Hel') + chatLine('lo').slice(0, 9), () => res.socket?.end()),
    );
    await using gateway = await testGateway(upstream);
    const response = await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"scripted-plain"}' });
    await assert.rejects(response.text(), /terminated/);
    await until('the log line', () => gateway.log.some(({ error }) => error === 'upstream_incomplete'));
  });

  test('takes an answer that ends with its connection as complete', async () => {
    await using upstream = await fakeUpstream((res) => {
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n';
      res.socket?.end(head + chatLine('Hello') + doneLine());
    });
    await using gateway = await testGateway(upstream);
    const response = await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"scripted-plain"}' });
    assert.equal(await response.text(), chatLine('Hello') + doneLine());
    await until('the log line', () => gateway.log.some(({ outcome }) => outcome === 'ok'));
  });

  test('ends the upstream request when the client disconnects', async () => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).write(chatLine('Hel')));
    await using gateway = await testGateway(upstream);
    const controller = new AbortController();
    const init = { method: 'POST', body: '{"model":"scripted-plain"}', signal: controller.signal };
    const response = await gateway.fetch('/api/generate', init);
    controller.abort();
    await assert.rejects(response.text(), { name: 'AbortError' });
    await until('the end of the upstream request', () => upstream.open === 0, 1_000);
    await until('the log line', () => gateway.log.some(({ outcome }) => outcome === 'client_closed'));
  });

  test('streams the upload of a blob of any size to the upstream', async () => {
    await using upstream = await fakeUpstream((res) => void res.writeHead(201).end());
    await using gateway = await testGateway(upstream, { limits: { body: '1KiB' } });
    const blob = 'x'.repeat(1_000_000);
    const path = `/api/blobs/sha256:${'0'.repeat(64)}`;
    assert.equal((await gateway.fetch(path, { method: 'POST', body: blob })).status, 201);
    const [sent] = upstream.requests;
    assert.deepEqual([sent?.url, sent?.body.length, sent?.headers['content-length']], [path, blob.length, '1000000']);
  });
});

suite('the metrics of a request', () => {
  const done = doneLine({ load_duration: 3e9, prompt_eval_duration: 2e9, eval_duration: 4.4e9 });
  const routes: [string, string, object][] = [
    ['/v1/chat/completions', 'a translated stream', { stream: true }],
    ['/v1/chat/completions', 'a translated whole answer', {}],
    ['/api/chat', 'a passed-through stream', {}],
  ];
  for (const [route, name, more] of routes) {
    test(`have its tokens and durations: ${name}`, async () => {
      await using upstream = await fakeUpstream((res) => void ndjson(res).end(chatLine('Hello') + done));
      await using gateway = await testGateway(upstream);
      const body = JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }], ...more });
      await (await gateway.fetch(route, { method: 'POST', body })).text();
      const model = 'model="scripted-plain:latest"';
      const expected: [string, number][] = [
        [`llamaduct_requests_total{route="${route}",key="tester",outcome="ok",${model},upstream="ollama"}`, 1],
        [`llamaduct_request_duration_seconds_count{route="${route}",${model},outcome="ok"}`, 1],
        [`llamaduct_tokens_total{key="tester",${model},type="input"}`, 46],
        [`llamaduct_tokens_total{key="tester",${model},type="output"}`, 44],
        [`llamaduct_time_to_first_token_seconds_count{${model},upstream="ollama"}`, 1],
        [`llamaduct_upstream_load_seconds_sum{${model},upstream="ollama"}`, 3],
        [`llamaduct_upstream_prompt_eval_seconds_sum{${model},upstream="ollama"}`, 2],
        [`llamaduct_upstream_eval_seconds_sum{${model},upstream="ollama"}`, 4.4],
        [`llamaduct_time_per_output_token_seconds_sum{${model},upstream="ollama"}`, 0.1],
      ];
      for (const [series, value] of expected) {
        assert.ok(Math.abs((await gateway.metric(series)) - value) < 1e-6, series);
      }
    });
  }

  test('count an error that is passed through', async () => {
    await using upstream = await fakeUpstream((res) => void res.writeHead(500).end('{"error":"boom"}'));
    await using gateway = await testGateway(upstream);
    await (await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"scripted-plain"}' })).text();
    assert.equal(await gateway.metric('llamaduct_upstream_errors_total{upstream="ollama",code="upstream_error"}'), 1);
  });

  test('have the model label `other` for a model that the upstream does not list', async () => {
    await using upstream = await fakeUpstream((res) => void res.writeHead(404).end('{"error":"model not found"}'));
    await using gateway = await testGateway(upstream);
    for (const model of ['x'.repeat(500), 'a"} 1\n', 'nope']) await (await gateway.chat({ model })).text();
    const series =
      'llamaduct_requests_total{route="/v1/chat/completions",key="tester",outcome="client_error",model="other",upstream="ollama"}';
    assert.equal(await gateway.metric(series), 3);
  });
});
