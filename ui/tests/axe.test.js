// No serious violation of WCAG that axe-core finds, on any page, dark and light, wide and narrow.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { URL, ask, close, logIn, open, settled } from './floor.js';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const DAYS = process.env.FLOOR_DAYS ?? 'from=2026-10-14T00:00:00Z&to=2026-10-17T00:00:00Z';
after(close);

for (const [theme, width] of [['dark', 1440], ['light', 1280], ['light', 390]]) {
  test(`axe: ${theme}, ${width} pixels`, async () => {
    const page = await open({ theme, width });
    const wrong = [];
    const look = async (name) => {
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
      for (const v of found.violations.filter((v) => ['serious', 'critical'].includes(v.impact))) {
        wrong.push(`${name}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')} (${v.nodes.length})`);
      }
    };
    await page.goto(URL);
    await page.getByRole('button', { name: 'Log in' }).waitFor();
    await look('login');
    await page.goto(`${URL}/setup`);
    await page.getByLabel('Your name').waitFor();
    await look('setup');
    await logIn(page);
    const [incident] = (await ask(page, '/incidents?order=gravest')).items;
    const q = encodeURIComponent('source:okta_system');
    const narrow = width < 500;
    const all = [
      '/', '/alerts?state=any', '/incidents', `/incidents/${incident.incident_id}`, `/hunt?${DAYS}`, `/hunt?${DAYS}&q=${q}`,
      `/hunt?${DAYS}&stack=user`, `/hunt?mode=sql&${DAYS}&sql=SELECT%201`, '/hunt?hunt=accounts-made-and-raised', `/hunt?${DAYS}&q=${q}&pane=address%3A203.0.113.66`,
      '/entity/address/203.0.113.66', '/rules', '/rules?view=matrix', '/sources', '/settings', '/settings/tokens', '/settings/suppressions',
      '/settings/users', '/settings/audit',
    ];
    for (const path of narrow ? all.filter((p) => !/stack|sql|matrix|entity|tokens|suppressions|users/.test(p)) : all) {
      await page.goto(URL + path);
      await settled(page);
      if (path.includes(`q=${q}`) || path.startsWith('/alerts')) await page.keyboard.press('j');
      if (path.endsWith(`q=${q}`)) await page.keyboard.press('Enter');
      await settled(page);
      await look(path);
    }
    await page.keyboard.press('?');
    await look('keys');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await look('palette');
    await page.context().close();
    assert.deepEqual(wrong, []);
  });
}
