// Talks to a running server as Anthropic's own JavaScript client does. The
// server serves the demo model under the names "test" and "org/test".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';

const baseURL = process.env.BASE_URL;
const client = new Anthropic({ baseURL, apiKey: process.env.API_KEY, maxRetries: 0 });
const ask = (question) => ({ model: 'test', max_tokens: 200, messages: [{ role: 'user', content: question }], temperature: 0 });
const base = ask('What can you do?');

test('message', async () => {
  const got = await client.messages.create(base);
  assert.equal(got.content.length, 1);
  assert.match(got.content[0].text, /call tools and write JSON/);
  assert.equal(got.stop_reason, 'end_turn');
  assert.ok(got.usage.output_tokens > 0);
  assert.match(got._request_id, /^req-/);
});

test('thinking', async () => {
  const got = await client.messages.create({ ...ask('12 + 34 = ?'), thinking: { type: 'adaptive' } });
  assert.deepEqual(got.content.map((block) => block.type), ['thinking', 'text']);
  assert.match(got.content[1].text, /46/);
  // The whole answer can be sent back.
  const next = { ...base, messages: [...ask('12 + 34 = ?').messages, { role: 'assistant', content: got.content }, ...base.messages] };
  assert.match((await client.messages.create(next)).content[0].text, /call tools/);
});

for (const thinking of [{ type: 'disabled' }, { type: 'adaptive' }]) {
  test(`streaming gives what not streaming gives, thinking ${thinking.type}`, async () => {
    const options = { ...ask('12 + 34 = ?'), thinking };
    const whole = await client.messages.create(options);
    const stream = client.messages.stream(options);
    let text = '';
    stream.on('text', (delta) => { text += delta; });
    const joined = await stream.finalMessage();
    assert.deepEqual(joined.content, whole.content);
    assert.equal(joined.stop_reason, whole.stop_reason);
    assert.equal(joined.usage.output_tokens, whole.usage.output_tokens);
    assert.equal(text, whole.content.at(-1).text);
  });
}

test('stop sequence', async () => {
  const got = await client.messages.create({ ...base, stop_sequences: ['call x', 'ools'] });
  assert.match(got.content[0].text, /call t$/);
  assert.equal(got.stop_reason, 'stop_sequence');
  assert.equal(got.stop_sequence, 'ools');
});

test('count tokens', async () => {
  const got = await client.messages.create(base);
  const count = await client.messages.countTokens({ model: 'test', messages: base.messages });
  assert.equal(count.input_tokens, got.usage.input_tokens + got.usage.cache_read_input_tokens);
});

test('tools', async () => {
  const options = {
    ...ask('What is 552 + 15137.'),
    tools: [{ name: 'calculator', description: 'Evaluate an expression', input_schema: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] } }],
  };
  const got = await client.messages.stream(options).finalMessage();
  assert.equal(got.stop_reason, 'tool_use');
  const [call] = got.content;
  assert.equal(call.name, 'calculator');
  assert.deepEqual(call.input, { expression: '552 + 15137' });
  assert.deepEqual((await client.messages.create(options)).content[0].input, call.input);
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: '15689' }] };
  const next = await client.messages.create({ ...options, messages: [...options.messages, { role: 'assistant', content: got.content }, result] });
  assert.match(next.content[0].text, /15689/);
});

test('tool runner', async () => {
  const asked = [];
  const tool = betaTool({
    name: 'calculator', description: 'Evaluate an expression',
    inputSchema: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
    run: ({ expression }) => { asked.push(expression); return '15689'; },
  });
  const last = await client.beta.messages.toolRunner({ ...ask('What is 552 + 15137.'), tools: [tool] });
  assert.match(last.content[0].text, /15689/);
  assert.deepEqual(asked, ['552 + 15137']);
});

test('a tool that must be used', async () => {
  const tools = [{ name: 'get_time', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } }];
  for (const tool_choice of [{ type: 'any' }, { type: 'tool', name: 'get_time' }]) {
    const got = await client.messages.create({ ...base, max_tokens: 60, tools, tool_choice });
    assert.equal(got.content.at(-1).name, 'get_time');
  }
  const none = await client.messages.create({ ...base, tools, tool_choice: { type: 'none' } });
  assert.equal(none.content[0].type, 'text');
});

test('parsed answers', async () => {
  const schema = { type: 'object', properties: { sum: { type: 'integer' } }, required: ['sum'], additionalProperties: false };
  const options = { ...ask('12 + 34 = ?'), output_config: { format: jsonSchemaOutputFormat(schema) } };
  const whole = await client.messages.parse(options);
  assert.ok(Number.isInteger(whole.parsed_output.sum));
  assert.deepEqual((await client.messages.stream(options).finalMessage()).parsed_output, whole.parsed_output);
});

test('a budget for thinking', async () => {
  const lengths = [];
  for (const budget_tokens of [1, 16, 64]) {
    const options = { ...ask('345 + 278 = ?'), max_tokens: 300, thinking: { type: 'enabled', budget_tokens } };
    const whole = await client.messages.create(options);
    assert.equal(whole.stop_reason, 'end_turn');
    assert.match(whole.content.at(-1).text, /345 \+ 278 = /);
    assert.deepEqual((await client.messages.stream(options).finalMessage()).content, whole.content);
    lengths.push(whole.usage.output_tokens);
  }
  assert.ok(lengths[0] < lengths[2], `${lengths}`);
});

test('retries', async () => {
  let tries = 0;
  const busy = (status) => Response.json({ type: 'error', error: { type: 'overloaded_error', message: 'retry later' } }, { status, headers: { 'retry-after-ms': '1' } });
  const flaky = (url, init) => (++tries === 3 ? fetch(url, init) : busy(tries === 1 ? 503 : 429));
  const patient = new Anthropic({ baseURL, apiKey: process.env.API_KEY, maxRetries: 2, fetch: flaky });
  assert.equal((await patient.messages.create(base)).stop_reason, 'end_turn');
  assert.equal(tries, 3);
});

test('errors', async () => {
  await assert.rejects(client.messages.create({ ...base, temperature: 3 }), (err) => {
    assert.ok(err instanceof Anthropic.BadRequestError);
    assert.equal(err.error.error.type, 'invalid_request_error');
    assert.match(err.error.error.message, /^temperature: /);
    assert.equal(err.requestID, err.error.request_id);
    return true;
  });
  await assert.rejects(client.messages.create({ ...base, model: 'other' }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.stream({ ...base, temperature: 3 }).finalMessage(), Anthropic.BadRequestError);
  const stranger = new Anthropic({ baseURL, apiKey: 'wrong', maxRetries: 0 });
  await assert.rejects(stranger.messages.create(base), Anthropic.AuthenticationError);
  const bearer = new Anthropic({ baseURL, apiKey: null, authToken: process.env.API_KEY, maxRetries: 0 });
  assert.equal((await bearer.messages.create(base)).stop_reason, 'end_turn');
});

test('abort', async () => {
  // An answer that is far from its end, however slowly it is read.
  const output_config = { format: { type: 'json_schema', schema: { type: 'string', minLength: 50000 } } };
  const stream = await client.messages.create({ ...base, max_tokens: 100000, output_config, stream: true });
  let deltas = 0;
  for await (const event of stream) {
    if (event.type === 'content_block_delta' && ++deltas === 5) stream.controller.abort();
  }
  assert.ok(deltas >= 5);
});
