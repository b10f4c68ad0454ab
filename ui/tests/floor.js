// A browser before a floor, for the stories. The floor is the real program; `crates/watchfloor/tests/pages.rs`
// starts it and says in the environment where it is, and which word makes its first admin.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--ignore-certificate-errors',
];
export const URL = process.env.FLOOR_URL;
export const LINK = process.env.FLOOR_LINK;
export const EVIDENCE = process.env.FLOOR_EVIDENCE;
export const PASSWORD = 'correct horse battery';
// The certificate is of the floor's own making.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');

let browser;
/** What pages have asked and not been answered; the stream of changes never ends and is left out. */
const pending = new Map();
/** What no page may do: fail, break the policy, or ask another host. */
export const faults = [];

export async function open({ width = 1440, height = 900, theme = 'dark', hasTouch = false } = {}) {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
    ignoreDefaultArgs: ['--hide-scrollbars'],
  });
  const context = await browser.newContext({ viewport: { width, height }, hasTouch, colorScheme: theme, ignoreHTTPSErrors: true });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.exposeFunction('broken', (what) => faults.push(`policy: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => window.broken(`${location.href}: ${e.violatedDirective} ${e.sourceFile}:${e.lineNumber}:${e.columnNumber} ${e.sample}`));
  });
  const asked = new Set();
  pending.set(page, asked);
  const counts = (request) => !request.url().endsWith('/api/v1/events');
  page.on('request', (request) => {
    // What the last document asked, nobody waits for.
    if (request.isNavigationRequest() && request.frame() === page.mainFrame()) asked.clear();
    if (counts(request)) asked.add(request);
  });
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => asked.delete(request));
  page.on('request', (request) => {
    if (!request.url().startsWith(URL) && !/^(data|blob):/.test(request.url())) faults.push(`asks ${request.url()}`);
  });
  return page;
}

export async function close() {
  await browser?.close();
}

export async function logIn(page, login = 'anna', password = PASSWORD) {
  await page.goto(`${URL}/`);
  await page.getByLabel('Login').fill(login);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.locator('#main').waitFor();
}

/** A session without a look at any page. */
export async function logInQuietly(page, login = 'anna', password = PASSWORD) {
  const answer = await page.context().request.post(`${URL}/api/v1/login`, { data: { login, password } });
  assert.ok(answer.ok(), await answer.text());
}

/** What Chromium's tracing tells of its work while something happens. */
export async function traced(page, act) {
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline', '__metadata'] });
  await act();
  return JSON.parse((await browser.stopTracing()).toString()).traceEvents;
}

/** Bytes of the network that a look at a page takes, when nothing is kept from before: in all, and of the API. */
export async function weighed(page, path) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  const urls = new Map();
  const sizes = [];
  cdp.on('Network.responseReceived', (e) => urls.set(e.requestId, e.response.url));
  cdp.on('Network.loadingFinished', (e) => sizes.push({ api: urls.get(e.requestId)?.includes('/api/') ?? false, bytes: e.encodedDataLength }));
  await page.goto(URL + path);
  await settled(page);
  await cdp.detach();
  const sum = (list) => list.reduce((all, { bytes }) => all + bytes, 0);
  return { all: sum(sizes), api: sum(sizes.filter((size) => size.api)) };
}

/** Delivers bytes as a sender does. */
export async function deliver(token, bytes) {
  const answer = await fetch(`${URL}/api/v1/ingest`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: bytes,
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** Asks the API as the page's person. */
export const ask = (page, path, body) =>
  page.evaluate(
    async ([where, what]) => {
      const me = await (await fetch('/api/v1/me')).json();
      const answer = await fetch(`/api/v1${where}`, what === null ? {} : {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-csrf-token': me.csrf },
        body: JSON.stringify(what),
      });
      return answer.json();
    },
    [path, body ?? null],
  );

/** Waits until a page has all its answers, and drawn them. */
export async function settled(page) {
  const asked = pending.get(page);
  const end = Date.now() + 30_000;
  for (let calm = 0; calm < 3; calm = asked.size ? 0 : calm + 1) {
    await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
    assert.ok(Date.now() < end, `no answer to ${[...asked].map((request) => `${request.method()} ${request.url()} ${request.postData() ?? ''}`)}`);
  }
}

/** Waits until something holds. */
export async function until(what, holds) {
  const end = Date.now() + 30_000;
  for (;;) {
    if (await holds()) return;
    assert.ok(Date.now() < end, what);
    await new Promise((go) => setTimeout(go, 100));
  }
}
