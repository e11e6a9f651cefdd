// Talks to a running server as OpenAI's own JavaScript client does. The server
// serves the demo model under the names "test" and "org/test".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const baseURL = process.env.BASE_URL;
const client = new OpenAI({ baseURL, apiKey: process.env.API_KEY, maxRetries: 0 });
const ask = (question) => ({
  model: 'test',
  messages: [{ role: 'system', content: 'detailed thinking off' }, { role: 'user', content: question }],
  temperature: 0,
});
const base = ask('What can you do?');

test('models', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ['test', 'org/test']);
  assert.equal((await client.models.retrieve('org/test')).id, 'org/test');
});

test('chat', async () => {
  const got = await client.chat.completions.create(base);
  assert.match(got.choices[0].message.content, /call tools and write JSON/);
  assert.equal(got.choices[0].message.role, 'assistant');
  assert.equal(got.choices[0].finish_reason, 'stop');
  assert.equal(got.usage.total_tokens, got.usage.prompt_tokens + got.usage.completion_tokens);
  assert.ok(got.timings.predicted_per_second > 0);
  assert.match(got._request_id, /^req-/);
});

test('streaming gives what not streaming gives', async () => {
  const options = { ...base, logprobs: true, top_logprobs: 2, n: 2 };
  const whole = await client.chat.completions.create(options);
  const stream = client.chat.completions.stream({ ...options, stream_options: { include_usage: true } });
  let text = '';
  stream.on('content', (delta) => { text += delta; });
  const joined = await stream.finalChatCompletion();
  assert.ok(text.includes(whole.choices[0].message.content.slice(0, 5)));
  assert.equal(joined.usage.total_tokens, whole.usage.total_tokens);
  assert.equal(joined.system_fingerprint, whole.system_fingerprint);
  for (const [i, choice] of whole.choices.entries()) {
    assert.equal(joined.choices[i].message.content, choice.message.content);
    assert.equal(joined.choices[i].finish_reason, choice.finish_reason);
    assert.deepEqual(joined.choices[i].logprobs.content, choice.logprobs.content);
  }
});

test('completions', async () => {
  const options = { model: 'test', prompt: ['1 + 1 =', 'the'], echo: true, logprobs: 1, max_tokens: 4, temperature: 0 };
  const whole = await client.completions.create(options);
  const texts = ['', ''];
  for await (const chunk of await client.completions.create({ ...options, stream: true })) {
    for (const choice of chunk.choices) texts[choice.index] += choice.text;
  }
  assert.deepEqual(texts, whole.choices.map((choice) => choice.text));
  assert.ok(texts[0].startsWith('1 + 1 =') && texts[1].startsWith('the'));
  assert.equal(whole.choices[0].logprobs.tokens.length, whole.choices[0].logprobs.text_offset.length);
});

test('stop', async () => {
  const got = await client.chat.completions.create({ ...base, stop: ['call x', 'ools'] });
  assert.match(got.choices[0].message.content, /call t$/);
  assert.equal(got.choices[0].stop_reason, 'ools');
});

test('seed', async () => {
  const draw = async (seed) => {
    const got = await client.chat.completions.create({ ...base, temperature: 2, seed, n: 2, max_tokens: 20 });
    return got.choices.map((choice) => choice.message.content);
  };
  const first = await draw(7);
  assert.deepEqual(await draw(7), first);
  assert.notDeepEqual(await draw(8), first);
});

test('responses', async () => {
  const options = { model: 'test', instructions: 'detailed thinking on', input: '12 + 34 = ?', temperature: 0 };
  const whole = await client.responses.create(options);
  assert.match(whole.output_text, /46/);
  assert.equal(whole.status, 'completed');
  const joined = await client.responses.stream(options).finalResponse();
  assert.deepEqual(joined.output.map((item) => item.content[0].text), whole.output.map((item) => item.content[0].text));
  assert.deepEqual(joined.usage.output_tokens_details, whole.usage.output_tokens_details);
  const next = await client.responses.create({ ...options, input: 'What can you do?', instructions: 'detailed thinking off', previous_response_id: whole.id });
  assert.match(next.output_text, /call tools/);
  assert.equal((await client.responses.retrieve(whole.id)).output_text, whole.output_text);
  await client.responses.delete(whole.id);
  await assert.rejects(client.responses.retrieve(whole.id), OpenAI.NotFoundError);
});

test('errors', async () => {
  await assert.rejects(client.chat.completions.create({ ...base, temperature: 3 }), (err) => {
    assert.ok(err instanceof OpenAI.BadRequestError);
    assert.equal(err.param, 'temperature');
    assert.equal(err.type, 'invalid_request_error');
    return true;
  });
  await assert.rejects(client.chat.completions.create({ ...base, model: 'other' }), OpenAI.NotFoundError);
  const stranger = new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});

test('abort', async () => {
  const stream = await client.chat.completions.create({ ...ask('Count to 90.'), ignore_eos: true, stream: true });
  let chunks = 0;
  for await (const chunk of stream) {
    assert.equal(chunk.object, 'chat.completion.chunk');
    if (++chunks === 5) stream.controller.abort();
  }
  assert.ok(chunks >= 5);
});
