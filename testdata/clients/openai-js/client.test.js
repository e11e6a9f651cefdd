// Talks to a running server as OpenAI's own JavaScript client does. The server
// serves the demo model under the names "test" and "org/test".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

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

const calculator = {
  name: 'calculator',
  description: 'Evaluate an expression',
  parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
};
const byCalculator = { ...ask('What is 552 + 15137.'), tools: [{ type: 'function', function: calculator }] };

test('tools, there and back', async () => {
  const whole = await client.chat.completions.create(byCalculator);
  const [call] = whole.choices[0].message.tool_calls;
  assert.equal(whole.choices[0].finish_reason, 'tool_calls');
  assert.deepEqual(JSON.parse(call.function.arguments), { expression: '552 + 15137' });
  const joined = await client.chat.completions.stream(byCalculator).finalChatCompletion();
  const told = ({ choices: [{ message, finish_reason }] }) => [finish_reason, message.content || null, message.tool_calls.map((c) => [c.type, c.function.name, c.function.arguments])];
  assert.deepEqual(told(joined), told(whole));
  const result = { role: 'tool', tool_call_id: call.id, content: '15689' };
  const next = await client.chat.completions.create({ ...byCalculator, messages: [...byCalculator.messages, whole.choices[0].message, result] });
  assert.match(next.choices[0].message.content, /15689/);
  const named = { ...base, tools: byCalculator.tools, tool_choice: { type: 'function', function: { name: 'calculator' } }, max_tokens: 60 };
  assert.equal((await client.chat.completions.create(named)).choices[0].message.tool_calls[0].function.name, 'calculator');
});

for (const stream of [false, true]) {
  test(`tool runner, ${stream ? 'streaming' : 'whole'}`, async () => {
    const asked = [];
    const run = ({ expression }) => { asked.push(expression); return '15689'; };
    const tool = { type: 'function', function: { ...calculator, function: run, parse: JSON.parse } };
    const runner = client.chat.completions.runTools({ ...ask('What is 552 + 15137.'), stream, tools: [tool] });
    assert.match(await runner.finalContent(), /15689/);
    assert.deepEqual(asked, ['552 + 15137']);
  });
}

const Sum = z.object({ sum: z.number().int(), words: z.enum(['few', 'many']) });

test('parsed answers', async () => {
  const options = { ...ask('12 + 34 = ?'), response_format: zodResponseFormat(Sum, 'sum') };
  const whole = await client.chat.completions.parse(options);
  assert.ok(Sum.safeParse(whole.choices[0].message.parsed).success);
  const joined = await client.chat.completions.stream(options).finalChatCompletion();
  assert.deepEqual(joined.choices[0].message.parsed, whole.choices[0].message.parsed);
  const strict = zodFunction({ name: 'calculator', parameters: z.object({ expression: z.string().max(30) }) });
  const called = await client.chat.completions.parse({ ...ask('What is 552 + 15137.'), tools: [strict], tool_choice: 'required' });
  assert.equal(typeof called.choices[0].message.tool_calls[0].function.parsed_arguments.expression, 'string');
  const response = { model: 'test', instructions: 'detailed thinking off', input: '12 + 34 = ?', temperature: 0, text: { format: zodTextFormat(Sum, 'sum') } };
  const parsed = await client.responses.parse(response);
  assert.ok(Sum.safeParse(parsed.output_parsed).success);
  assert.deepEqual((await client.responses.stream(response).finalResponse()).output_parsed, parsed.output_parsed);
});

test('reasoning', async () => {
  const options = { ...ask('12 + 34 = ?'), reasoning_effort: 'high', reasoning_format: 'both', stream_options: { include_usage: true }, stream: true };
  options.messages = options.messages.slice(1);
  const { stream, stream_options, ...plain } = options;
  const whole = await client.chat.completions.create(plain);
  const { reasoning, reasoning_content } = whole.choices[0].message;
  assert.ok(reasoning.length > 0);
  assert.equal(reasoning, reasoning_content);
  const told = { reasoning: '', reasoning_content: '', content: '' };
  let usage;
  for await (const chunk of await client.chat.completions.create(options)) {
    for (const name of Object.keys(told)) told[name] += chunk.choices[0]?.delta[name] ?? '';
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual(told, { reasoning, reasoning_content, content: whole.choices[0].message.content });
  assert.deepEqual(usage.completion_tokens_details, whole.usage.completion_tokens_details);
  assert.ok(usage.completion_tokens_details.reasoning_tokens > 0);
});

test('responses: tools, there and back', async () => {
  const options = { model: 'test', instructions: 'detailed thinking off', input: 'What is 552 + 15137.', temperature: 0, tools: [{ type: 'function', strict: false, ...calculator }] };
  const whole = await client.responses.create(options);
  const joined = await client.responses.stream(options).finalResponse();
  const told = ({ output }) => output.map(({ type, name, arguments: args }) => [type, name, args]);
  assert.deepEqual(told(joined), told(whole));
  const [call] = whole.output;
  assert.deepEqual(JSON.parse(call.arguments), { expression: '552 + 15137' });
  const result = { type: 'function_call_output', call_id: call.call_id, output: '15689' };
  assert.match((await client.responses.create({ ...options, previous_response_id: whole.id, input: [result] })).output_text, /15689/);
  assert.match((await client.responses.create({ ...options, input: [{ role: 'user', content: options.input }, ...whole.output, result] })).output_text, /15689/);
  const count = await client.responses.inputTokens.count({ model: 'test', instructions: options.instructions, input: options.input, tools: options.tools });
  assert.equal(count.input_tokens, whole.usage.input_tokens);
});

test('retries', async () => {
  let tries = 0;
  const busy = (status) => Response.json({ error: { message: 'retry later' } }, { status, headers: { 'retry-after-ms': '1' } });
  const flaky = (url, init) => (++tries === 3 ? fetch(url, init) : busy(tries === 1 ? 503 : 429));
  const patient = new OpenAI({ baseURL, apiKey: process.env.API_KEY, maxRetries: 2, fetch: flaky });
  assert.match((await patient.chat.completions.create(base)).choices[0].message.content, /call tools/);
  assert.equal(tries, 3);
});

test('errors', async () => {
  await assert.rejects(client.chat.completions.create({ ...base, temperature: 3 }), (err) => {
    assert.ok(err instanceof OpenAI.BadRequestError);
    assert.equal(err.param, 'temperature');
    assert.equal(err.type, 'invalid_request_error');
    return true;
  });
  await assert.rejects(client.chat.completions.create({ ...base, model: 'other' }), OpenAI.NotFoundError);
  const hot = { ...base, temperature: 3 };
  await assert.rejects(client.chat.completions.create({ ...hot, stream: true }), OpenAI.BadRequestError);
  await assert.rejects(client.chat.completions.stream(hot).finalChatCompletion(), OpenAI.BadRequestError);
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
