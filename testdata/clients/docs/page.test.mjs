// Runs the script of the page /docs on a document that is just enough for it,
// and opens and tries what it draws. The server serves the demo model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

class Element {
  constructor(name) { Object.assign(this, { name, nodes: [], listeners: {}, value: '', hidden: false }); }
  get children() { return this.nodes.filter((node) => node instanceof Element); }
  get textContent() { return this.nodes.map((node) => (node instanceof Element ? node.textContent : String(node))).join(''); }
  set textContent(text) { this.nodes = [text]; }
  append(...nodes) { this.nodes.push(...nodes); }
  replaceChildren(...nodes) { this.nodes = nodes; }
  addEventListener(type, listener) { this.listeners[type] = listener; }
  all(name) { return this.children.flatMap((child) => [...(child.name === name ? [child] : []), ...child.all(name)]); }
}

const base = process.env.BASE_URL + '/';
const page = await (await fetch(base + 'docs')).text();
const api = await (await fetch(base + 'openapi.json')).json();
const byID = {};
for (const [, id] of page.matchAll(/ id="(\w+)"/g)) byID[id] = new Element(id);
vm.runInNewContext(page.match(/<script>([^]*)<\/script>/)[1], {
  document: { getElementById: (id) => byID[id], createElement: (name) => new Element(name) },
  fetch: (path, options) => fetch(base + path, options),
  TextDecoderStream,
});
const settled = async (done) => { for (let tries = 0; !done() && tries < 5000; tries++) await new Promise((resolve) => setTimeout(resolve, 5)); };
await settled(() => byID.main.children.length > 0 || byID.problem.textContent);
const operations = byID.main.children.flatMap((section) => section.children.filter((child) => child.name === 'details'));

function open(details) {
  if (details.open) return;
  details.open = true;
  details.listeners.toggle();
  details.all('details').forEach(open);
}

test('every operation is drawn, and all that is in it', () => {
  assert.equal(byID.problem.hidden, true);
  const names = operations.map((details) => details.all('code').slice(0, 2).map((code) => code.textContent).join(' '));
  const want = Object.entries(api.paths).flatMap(([path, item]) => Object.keys(item).filter((key) => key !== 'parameters').map((method) => method.toUpperCase() + ' ' + path));
  assert.deepEqual([...names].sort(), want.sort());
  operations.forEach(open);
  const chat = operations[names.indexOf('POST /v1/chat/completions')];
  const fields = chat.all('code').map((code) => code.textContent);
  for (const schema of ['ChatRequest', 'ConversationParameters', 'GenerationParameters']) {
    for (const field of Object.keys(api.components.schemas[schema].properties)) assert.ok(fields.includes(field), field);
  }
  assert.match(chat.textContent, /messages.*required/);
  assert.doesNotMatch(byID.main.textContent, /undefined|\[object/);
});

test('a request can be tried', async () => {
  for (const [path, want] of [['/v1/models', /^200 application\/json[^]*"demo"/], ['/v1/chat/completions/render', /^200 [^]*prompt_token_ids/], ['/v1/responses/{id}', /^404 [^]*no stored response/]]) {
    const details = operations.find((one) => one.all('code')[1].textContent === path);
    open(details);
    for (const input of details.all('input')) input.value = 'x/y';
    const out = details.all('pre').at(-1);
    details.all('button').at(-1).listeners.click();
    await settled(() => want.test(out.textContent));
    assert.match(out.textContent, want);
  }
});
