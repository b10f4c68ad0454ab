// Requests that go wrong on purpose: the floor is killed, refuses and forgets who sits there, while somebody works.
// What they see, that it works again by itself, and that nothing is lost of what they typed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { EVIDENCE, PASSWORD, URL, ask, close, deliver, faults, open, settled, until } from './floor.js';

const PROGRAM = process.env.FLOOR_PROGRAM;
const DATA = process.env.FLOOR_FOLDER;
const DAYS = 'from=2026-10-14T00:00:00Z&to=2026-10-17T00:00:00Z';
let floor;
let anna;
after(async () => {
  await close();
  floor?.kill('SIGKILL');
});

/** Opens the floor where it was; what it says of itself. */
async function start() {
  floor = spawn(PROGRAM, ['serve', '--plain', '--json', '--listen', URL.replace('http://', ''), '--data', DATA], { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: floor.stdout })) return JSON.parse(line);
}
async function kill() {
  const gone = new Promise((told) => floor.once('exit', told));
  floor.kill('SIGKILL');
  await gone;
}
const toast = (text) => anna.locator('.toasts').getByText(text).first().waitFor();
const comments = (alert) => ask(anna, `/alerts/${alert}/comments`).then((list) => list.items.map((comment) => comment.body));
let alert;

test('a floor with alerts', async () => {
  const { first_link: word } = await start();
  anna = await open();
  await anna.goto(`${URL}/setup#${word}`);
  for (const [label, text] of [['Your name', 'Anna'], ['Login', 'anna'], ['Password', PASSWORD]]) await anna.getByLabel(label).fill(text);
  await anna.getByRole('button', { name: 'Become the first admin' }).click();
  await anna.locator('#main').waitFor();
  const { token } = await ask(anna, '/senders', { name: 'evidence' });
  for (const file of ['okta/system-log.ndjson', 'kubernetes/audit.log']) await deliver(token, await readFile(`${EVIDENCE}/${file}`));
  await until('alerts', async () => (await ask(anna, '/alerts/facets?state=new')).total > 3);
});

test('the floor stops while somebody works: it is said, what was typed stays, and goes through later, once', async () => {
  await anna.goto(`${URL}/alerts`);
  await anna.getByRole('grid', { name: 'Alerts' }).getByRole('row').first().waitFor();
  await anna.keyboard.press('j');
  await settled(anna);
  alert = new globalThis.URL(anna.url()).searchParams.get('alert');
  await anna.getByLabel('Comment').fill('The token was stolen at 02:11');
  await kill();
  await anna.getByLabel('Comment').press('Control+Enter');
  await toast(/Not written: the floor does not answer/);
  assert.equal(await anna.getByLabel('Comment').inputValue(), 'The token was stolen at 02:11');
  await anna.getByLabel('Comment').press('Escape');
  const row = anna.getByRole('grid', { name: 'Alerts' }).locator('[aria-selected=true]');
  await anna.keyboard.press('a');
  await toast(/Nothing was changed: the floor does not answer/);
  await until('one is back at what did not go through', async () => (await anna.getByLabel('Comment').inputValue()) === 'The token was stolen at 02:11');
  assert.equal(new globalThis.URL(anna.url()).searchParams.get('alert'), alert);
  assert.ok(!(await row.textContent()).includes('anna'), 'what was taken is given back');
  await anna.getByText('The floor does not answer.', { exact: true }).waitFor();

  await start();
  await anna.getByText('live', { exact: true }).waitFor();
  await anna.getByLabel('Comment').press('Control+Enter');
  await anna.getByRole('article').filter({ hasText: 'stolen at 02:11' }).waitFor();
  assert.equal(await anna.getByLabel('Comment').inputValue(), '');
  await anna.getByText('The floor does not answer.', { exact: true }).waitFor({ state: 'hidden' });
  await row.click();
  await anna.keyboard.press('a');
  await toast('Taken');
  assert.deepEqual(await comments(alert), ['The token was stolen at 02:11']);
});

test('an answer that is lost on its way: the same again is written once', async () => {
  await anna.goto(`${URL}/alerts?state=any&alert=${alert}`);
  await anna.getByLabel('Comment').fill('Written, and nobody heard');
  let lost = 0;
  await anna.route('**/comments', async (route) => {
    if (route.request().method() !== 'POST' || lost) return route.continue();
    lost += 1;
    await route.fetch();
    await route.abort('connectionreset');
  });
  await anna.getByLabel('Comment').press('Control+Enter');
  await toast(/Not written/);
  assert.equal(await anna.getByLabel('Comment').inputValue(), 'Written, and nobody heard');
  await anna.getByLabel('Comment').press('Control+Enter');
  await until('it was taken', async () => (await anna.getByLabel('Comment').inputValue()) === '');
  await anna.unroute('**/comments');
  assert.deepEqual((await comments(alert)).filter((body) => body.startsWith('Written')), ['Written, and nobody heard']);
});

test('a question without an answer keeps its filter, and is asked again by a press', async () => {
  await anna.goto(`${URL}/hunt?${DAYS}`);
  await settled(anna);
  await kill();
  await anna.getByRole('combobox', { name: 'Filter' }).fill('source:okta_system');
  await anna.getByRole('combobox', { name: 'Filter' }).press('Enter');
  await anna.getByRole('alert').getByText(/the floor does not answer/).waitFor();
  assert.equal(await anna.getByRole('combobox', { name: 'Filter' }).inputValue(), 'source:okta_system');
  await anna.getByRole('button', { name: 'Searches' }).click();
  await anna.getByLabel('A name for this search').fill('Okta');
  await anna.getByRole('button', { name: 'Keep' }).click();
  await toast(/The search was not kept: the floor does not answer/);
  assert.equal(await anna.getByLabel('A name for this search').inputValue(), 'Okta');
  await start();
  await anna.getByRole('button', { name: 'Keep' }).click();
  await anna.getByRole('link', { name: 'Okta' }).waitFor();
  await anna.getByRole('button', { name: 'Ask again' }).click();
  await anna.getByRole('grid', { name: 'Events' }).locator('[aria-rowindex="1"] .time').waitFor();
});

test('what the floor refuses is said in its words, and a form stays as it was filled in', async () => {
  await anna.goto(`${URL}/incidents`);
  await settled(anna);
  const refuse = (status, detail) => anna.route('**/api/v1/incidents', (route) =>
    route.request().method() === 'POST' ? route.fulfill({ status, contentType: 'application/problem+json', body: JSON.stringify({ title: 'x', status, detail }) }) : route.continue());
  await refuse(500, 'the ledger could not be written: no space left');
  await anna.keyboard.press('n');
  const dialog = anna.getByRole('dialog');
  await dialog.getByLabel('Title').fill('A long title that took a while');
  await dialog.getByRole('button', { name: 'Open', exact: true }).click();
  await dialog.getByRole('alert').getByText('no space left').waitFor();
  await anna.unroute('**/api/v1/incidents');
  await anna.route('**/api/v1/incidents', (route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }));
  await dialog.getByRole('button', { name: 'Open', exact: true }).click();
  await dialog.getByRole('alert').getByText('Bad Gateway').waitFor();
  await anna.unroute('**/api/v1/incidents');
  assert.equal(await dialog.getByLabel('Title').inputValue(), 'A long title that took a while');
  await dialog.getByRole('button', { name: 'Open', exact: true }).click();
  await anna.getByRole('heading', { name: 'A long title that took a while' }).waitFor();
});

test('a session that ended is begun again over the page, with what was typed', async () => {
  await anna.goto(`${URL}/alerts?state=any&alert=${alert}`);
  await anna.getByLabel('Comment').fill('Half a thought');
  await anna.context().clearCookies();
  await anna.getByLabel('Comment').press('Control+Enter');
  await anna.getByLabel('Password').fill(PASSWORD);
  if (await anna.getByLabel('Login').isVisible()) await anna.getByLabel('Login').fill('anna');
  await anna.getByRole('button', { name: 'Log in', exact: true }).click();
  await anna.getByLabel('Password').waitFor({ state: 'hidden' });
  assert.equal(await anna.getByLabel('Comment').inputValue(), 'Half a thought');
  await anna.getByLabel('Comment').press('Control+Enter');
  await anna.getByRole('article').filter({ hasText: 'Half a thought' }).waitFor();
});

/** A page, what it asks for, and what is there once that was answered. */
const ASKING = [
  ['/', '/incidents?', (page) => page.getByRole('link', { name: 'A long title that took a while' })],
  ['/alerts?state=any', '/alerts?', (page) => page.getByRole('grid', { name: 'Alerts' }).getByRole('row')],
  ['/incidents', '/incidents?', (page) => page.getByText('A long title that took a while')],
  [`/hunt?${DAYS}`, '/query', (page) => page.getByRole('button', { name: /events of okta_system/ })],
  ['/rules', '/rules?', (page) => page.locator('td.title').getByRole('button')],
  ['/sources', '/senders?', (page) => page.getByText('evidence', { exact: true })],
  ['/settings', '/me/sessions?', (page) => page.getByText(/this one/i)],
  ['/settings/users', '/users?', (page) => page.getByRole('row').filter({ hasText: 'Anna' })],
  ['/settings/tokens', '/me/tokens?', (page) => page.getByText('No program has a token of yours.')],
  ['/settings/suppressions', '/suppressions?', (page) => page.getByText('Nothing is hidden.')],
  ['/settings/audit', '/audit?', (page) => page.getByRole('row').filter({ hasText: 'anna' })],
];
test('a page whose answer did not come says so, and asks again by a press', async () => {
  for (const [path, asked, there] of ASKING) {
    let refusing = true;
    let refused = 0;
    await anna.route('**/api/v1/**', (route) => {
      const told = `${new globalThis.URL(route.request().url()).pathname.replace('/api/v1', '')}?`;
      if (!refusing || !told.startsWith(asked)) return route.continue();
      refused += 1;
      return route.fulfill({ status: 500, contentType: 'application/problem+json', body: JSON.stringify({ title: 'x', status: 500, detail: 'the ledger is locked' }) });
    });
    await anna.goto(URL + path);
    const said = anna.getByRole('alert').filter({ hasText: /the ledger is locked/i }).first();
    const again = said.getByRole('button', { name: 'Try again' });
    await said.waitFor();
    await settled(anna);
    assert.equal(await there(anna).count(), 0, `${path} shows what it was not told`);
    const before = refused;
    await again.click();
    await until(`${path} asks again`, () => refused > before);
    await said.waitFor();
    refusing = false;
    // A page that hears of a change asks by itself, too.
    await until(`${path} shows what it is told`, async () => {
      if ((await there(anna).count()) && !(await said.isVisible())) return true;
      await again.click({ timeout: 500 }).catch(() => {});
      return false;
    });
    await anna.unroute('**/api/v1/**');
  }
});

test('no page failed meanwhile', () => {
  assert.deepEqual(faults, []);
});
