// How fast the pages are before a floor of five million events, as a browser measures it. `cargo xtask
// pages-speed` makes the floor and judges; each line that is printed is one figure: what, how much, its unit,
// and the bar that it must not pass (none where it is told for information).
import { writeFile } from 'node:fs/promises';
import { ask, close, logInQuietly, open, settled, traced, until, URL, weighed } from './floor.js';

const [part, only] = process.argv.slice(2);
const DAYS = 'from=2026-11-01T00:00:00Z&to=2026-11-08T00:00:00Z';
/** Questions, as a person types them. Those that find little are found by reading much. */
const SEARCHES = {
  'all events': { q: '' },
  'one host': { q: 'host:lap-0001.corp.example' },
  'an address in five events': { q: 'ip:203.0.113.77' },
  'part of a command line in twenty': { q: 'cmd:*urlcache*' },
  'a word anywhere in twenty': { q: 'evil-cdn' },
  'SQL': { sql: "SELECT time, device_hostname, process_cmd_line FROM events WHERE process_cmd_line LIKE '%urlcache%' ORDER BY time DESC" },
};
const FIRST = 1000;
const KEY = 100;
const FRAME = 50;
const LOAD = 400;

const tell = (what, value, unit, bar) => console.log(JSON.stringify({ what, value: Math.round(value), unit, bar }));
const addressOf = ({ q, sql }) => `/hunt?${DAYS}${sql ? `&mode=sql&sql=${encodeURIComponent(sql)}` : `&show=events&q=${encodeURIComponent(q)}`}`;

/** In the page: when the first rows of a table are on the screen, and how long keys took to be answered. */
function watching() {
  const ROWS = '[role=grid][aria-label=Events] [aria-rowindex] .time, [role=grid][aria-label=Answer] [aria-rowindex]';
  window.firstRows = (none = false) => new Promise((told, gaveUp) => {
    const nothing = () => [...document.querySelectorAll('.empty')].some((said) => said.textContent.startsWith('No event'));
    const there = () => document.querySelector(ROWS) || (none && nothing());
    setTimeout(gaveUp, 60_000, new Error('no rows within a minute'));
    const done = () => requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => told(performance.now());
      port2.postMessage(0);
    });
    if (there()) return done();
    const watch = new MutationObserver(() => {
      if (!there()) return;
      watch.disconnect();
      done();
    });
    watch.observe(document, { childList: true, subtree: true });
  });
  window.presses = [];
  const seen = (list) => window.presses.push(...list.getEntries().filter((e) => e.name.startsWith('key')).map((e) => ({ name: e.name, took: e.duration, held: e.processingEnd - e.processingStart })));
  new PerformanceObserver(seen).observe({ type: 'event', durationThreshold: 16, buffered: false });
  addEventListener('keydown', (e) => {
    window.pressed = e.timeStamp;
  }, true);
}
async function visitor() {
  const page = await open();
  await page.addInitScript(watching);
  await logInQuietly(page);
  return page;
}

/** From a new browser on a floor that has just been opened: page, scripts and rows. */
async function first(name) {
  const page = await visitor();
  await page.goto(URL + addressOf(SEARCHES[name]), { waitUntil: 'commit' });
  const took = await page.evaluate(() => window.firstRows());
  tell(`first rows, cold, page and all: ${name}`, took, 'ms', FIRST);
  await page.context().close();
}

/** From Enter to rows. */
async function asked(page, { q, sql }, none) {
  await page.goto(`${URL}/hunt?${DAYS}${sql ? '&mode=sql' : ''}`);
  if (sql) {
    const editor = page.getByLabel('SQL', { exact: true });
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(sql);
    await page.keyboard.press('Escape');
  } else {
    await page.getByRole('combobox', { name: 'Filter' }).fill(q);
  }
  await settled(page);
  const rows = page.evaluate((nothing) => window.firstRows(nothing), none);
  await page.keyboard.press(sql ? 'Control+Enter' : 'Enter');
  const at = await rows;
  const took = at - (await page.evaluate(() => window.pressed));
  await settled(page);
  return took;
}
async function warm(page) {
  for (const [name, search] of Object.entries(SEARCHES)) {
    const times = [];
    for (let n = 0; n < 5; n += 1) times.push(await asked(page, search));
    times.sort((a, b) => a - b);
    tell(`first rows, warm, the slowest of five: ${name}`, times[4], 'ms', FIRST);
  }
  tell('that no event has a word', await asked(page, { q: 'nowhere-to-be-found' }, true), 'ms');
}

/** Keys, pressed as fast as a held key repeats. */
async function keyed(page, name, act) {
  await settled(page);
  await page.evaluate(() => (window.presses.length = 0));
  let count = 0;
  await act(async (keys) => {
    for (const key of keys) {
      await page.keyboard.press(key);
      count += 1;
      await page.evaluate(() => new Promise((go) => setTimeout(go, 25)));
    }
  });
  await settled(page);
  const slow = await page.evaluate(() => window.presses);
  const most = slow.reduce((worst, press) => Math.max(worst, press.took), 0);
  const scripts = slow.reduce((worst, press) => Math.max(worst, press.held), 0);
  tell(`a key is answered on the screen, the slowest of ${count}: ${name}`, most, 'ms', KEY);
  tell(`  our part of it: ${name}`, scripts, 'ms');
}
const times = (n, ...keys) => Array.from({ length: n }, () => keys).flat();
async function keys(page) {
  await page.goto(`${URL}/alerts`);
  const list = page.getByRole('grid', { name: 'Alerts' });
  await list.getByRole('row').first().waitFor();
  await keyed(page, 'alerts, at once', (press) => press(times(20, 'j')));
  const all = (await ask(page, '/alerts/facets?state=new')).total;
  await until('all alerts are in the list', async () => {
    await list.evaluate((el) => (el.scrollTop = el.scrollHeight));
    return Number(await list.getAttribute('aria-rowcount')) >= all;
  });
  await list.evaluate((el) => (el.scrollTop = 0));
  await keyed(page, `${all} alerts in the list`, (press) => press([...times(30, 'j'), ...times(10, 'x'), ...times(10, 'k'), 'e', 'Escape', 'l', 'Escape', 'm', 'Escape', 'Escape', '?', 'Escape', 'Control+k', ...'alerts', 'Escape']));
  await keyed(page, `${all} alerts, taken one by one`, (press) => press(times(8, 'a', 'j')));
  await page.goto(`${URL}/hunt?${DAYS}`);
  await page.getByRole('combobox', { name: 'Filter' }).click();
  await keyed(page, 'the filter', (press) => press([...'user:anna not class:"DNS Activity" (ip:10.0.0.0/8 or cmd:*mimikatz*) device.host']));
  await page.goto(URL + addressOf(SEARCHES['all events']));
  await page.getByRole('grid', { name: 'Events' }).locator('[aria-rowindex="1"] .time').waitFor();
  await keyed(page, 'the table of all events', (press) => press([...times(60, 'j'), ...times(10, 'PageDown'), ...times(10, 'k'), 'ArrowRight', 'ArrowLeft', 'v', 'Escape', 'End', 'Home', 'j', 'Enter', 'j', 'j', 'Escape']));
  await page.goto(`${URL}/hunt?${DAYS}&mode=sql`);
  await page.getByLabel('SQL', { exact: true }).click();
  await keyed(page, 'SQL', (press) => press(['Control+a', ...'SELECT device_hostname, count(*) FROM events WHERE dev']));
}

/** What the browser did while a table was moved: its longest frame and its longest task. */
async function moved(page, name, act) {
  await settled(page);
  const trace = await traced(page, async () => {
    await page.evaluate(() => {
      window.frames_ = [];
      let last = performance.now();
      const next = (now) => {
        window.frames_.push(now - last);
        last = now;
        window.framing = requestAnimationFrame(next);
      };
      window.framing = requestAnimationFrame((now) => {
        last = now;
        next(now);
      });
    });
    await act();
    await page.evaluate(() => cancelAnimationFrame(window.framing));
  });
  if (process.env.FLOOR_TRACE) await writeFile(`${process.env.FLOOR_TRACE}-${name.slice(0, 12).replaceAll(' ', '-')}.json`, JSON.stringify(trace));
  const frames = (await page.evaluate(() => window.frames_)).sort((a, b) => a - b);
  const main = new Set(trace.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => `${e.pid} ${e.tid}`));
  const tasks = trace.filter((e) => e.ph === 'X' && /RunTask$/.test(e.name) && main.has(`${e.pid} ${e.tid}`)).map((e) => e.dur / 1000);
  tell(`the longest of ${frames.length} frames: ${name}`, frames.at(-1), 'ms', FRAME);
  tell(`  of a hundred frames, 99 within: ${name}`, frames[Math.floor(frames.length * 0.99)], 'ms');
  tell(`  the longest task: ${name}`, tasks.reduce((a, b) => Math.max(a, b), 0), 'ms', FRAME);
}
async function scrolling(page) {
  await page.goto(URL + addressOf(SEARCHES['all events']));
  const grid = page.getByRole('grid', { name: 'Events' });
  await grid.locator('[aria-rowindex="1"] .time').waitFor();
  await settled(page);
  const total = Number(await grid.getAttribute('aria-rowcount'));
  const box = await grid.boundingBox();
  await page.mouse.move(box.x + 300, box.y + 200);
  const pause = () => page.evaluate(() => new Promise((go) => requestAnimationFrame(go)));
  await moved(page, `the wheel over ${total} rows`, async () => {
    for (const by of [...times(150, 120), ...times(100, 1200), ...times(40, -600)]) {
      await page.mouse.wheel(0, by);
      await pause();
    }
  });
  await moved(page, 'keys held down', async () => {
    for (const key of [...times(80, 'j'), ...times(40, 'PageDown'), ...times(40, 'k')]) {
      await page.keyboard.press(key);
      await pause();
    }
  });
  // The scroll bar's handle, from the top to the middle, to the end.
  const x = box.x + box.width - 6;
  await grid.evaluate((el) => (el.scrollTop = 0));
  await settled(page);
  const handle = await page.evaluate(() => {
    const el = document.querySelector('[role=grid][aria-label=Events]');
    return { view: el.clientHeight, range: el.scrollHeight, bar: el.offsetWidth - el.clientWidth };
  });
  if (!handle.bar) throw new Error('the browser shows no scroll bar');
  const reached = [];
  await moved(page, 'the scroll bar drawn to the middle and the end', async () => {
    await page.mouse.move(x, box.y + 8);
    await page.mouse.down();
    await page.mouse.move(x, box.y + box.height / 2, { steps: 60 });
    reached.push(await grid.evaluate((el) => el.scrollTop / (el.scrollHeight - el.clientHeight)));
    await page.mouse.move(x, box.y + box.height + 40, { steps: 60 });
    await page.mouse.up();
  });
  if (!(reached[0] > 0.4 && reached[0] < 0.6)) throw new Error(`the handle was drawn to ${reached[0]} of the range`);
  if (process.env.FLOOR_SHOT) await page.screenshot({ path: process.env.FLOOR_SHOT });
  await grid.locator(`[aria-rowindex="${total}"] .time`).waitFor();
  const last = await page.evaluate((n) => {
    const row = document.querySelector(`[aria-rowindex="${n}"]`).getBoundingClientRect();
    const table = document.querySelector('[role=grid][aria-label=Events]').getBoundingClientRect();
    return row.bottom <= table.bottom + 1 && row.top >= table.top;
  }, total);
  if (!last) throw new Error('the last row cannot be seen');
  tell('the last row was reached, and is seen: row', total, '');
  tell('  the scroll range is high', handle.range, 'px', 15_000_000);
}

/** Bytes that the first look at a page takes, as they come over the network. */
async function loads() {
  for (const path of ['/', '/alerts', '/incidents', `/hunt?${DAYS}`, `/hunt?${DAYS}&mode=sql`, '/rules']) {
    const page = await visitor();
    const { all, api } = await weighed(page, path);
    tell(`first load of ${path.split('?')[0]}${path.includes('sql') ? ' (SQL)' : ''}`, all / 1000, 'kB', LOAD);
    tell('  of it answers of the API', api / 1000, 'kB');
    await page.context().close();
  }
}

try {
  if (part === 'first') await first(only);
  else if (part === 'names') console.log(JSON.stringify(Object.keys(SEARCHES)));
  else {
    const page = await visitor();
    for (const [name, measure] of Object.entries({ warm, keys, scrolling })) if (!only || only === name) await measure(page);
    await page.context().close();
    if (!only || only === 'loads') await loads();
  }
} finally {
  await close();
}
