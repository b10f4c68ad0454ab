// A picture of every page: dark, light and on a phone; empty, loaded, and when the floor does not answer. `cargo
// xtask screenshots` opens the floor and says where they go.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { EVIDENCE, LINK, PASSWORD, URL, ask, close, deliver, logInQuietly, open, settled, until } from './floor.js';

const OUT = process.env.FLOOR_FOLDER;
const DAYS = 'from=2026-10-14T00:00:00Z&to=2026-10-17T00:00:00Z';
const e = encodeURIComponent;
const PHONE = 390;
const LOOKS = [
  ['dark', { theme: 'dark' }],
  ['light', { theme: 'light' }],
  ['phone', { theme: 'dark', width: PHONE, height: 844 }],
  ['phone-light', { theme: 'light', width: PHONE, height: 844 }],
];

async function shoot(page, name) {
  await settled(page);
  const cdp = await page.context().newCDPSession(page);
  const { data } = await cdp.send('Page.captureScreenshot', { format: 'webp', quality: 82 });
  await writeFile(`${OUT}/${name}.webp`, Buffer.from(data, 'base64'));
  await cdp.detach();
}
const press = (...keys) => async (page) => {
  for (const key of keys) {
    await page.keyboard.press(key);
    await settled(page);
  }
};
async function all(state, pages, looks = LOOKS) {
  for (const [look, how] of looks) {
    const page = await open(how);
    await logInQuietly(page);
    for (const [name, path, act] of pages) {
      await page.goto(URL + path);
      await settled(page);
      await act?.(page);
      await shoot(page, `${name}-${state}-${look}`);
    }
    await page.context().close();
  }
}

await mkdir(OUT, { recursive: true });
// Before anybody is there.
for (const [look, how] of LOOKS) {
  const page = await open(how);
  await page.goto(`${URL}/setup#${LINK}`);
  await shoot(page, `setup-empty-${look}`);
  await page.goto(URL);
  await page.getByLabel('Login').waitFor();
  await shoot(page, `login-empty-${look}`);
  await page.context().close();
}
const anna = await open();
await anna.goto(`${URL}/setup#${LINK}`);
for (const [label, text] of [['Your name', 'Anna Lindqvist'], ['Login', 'anna'], ['Password', PASSWORD]]) await anna.getByLabel(label).fill(text);
await anna.getByRole('button', { name: 'Become the first admin' }).click();
await anna.locator('#main').waitFor();
const EMPTY = [
  ['floor', '/'], ['alerts', '/alerts'], ['incidents', '/incidents'], ['hunt', `/hunt?${DAYS}`], ['events', `/hunt?${DAYS}&q=nobody&show=events`],
  ['stack', `/hunt?${DAYS}&stack=user`], ['sql', `/hunt?mode=sql&${DAYS}`], ['entity', '/entity/address/203.0.113.66'], ['sources', '/sources'],
  ['tokens', '/settings/tokens'], ['suppressions', '/settings/suppressions'],
];
await all('empty', EMPTY, [LOOKS[0], LOOKS[2]]);

const { token } = await ask(anna, '/senders', { name: 'evidence', tags: ['site=oslo'] });
await ask(anna, '/senders', { name: 'branch-office', silent_after: 600 });
for (const file of ['kubernetes/audit.log', 'okta/system-log.ndjson', 'cloudflare/firewall_events.ndjson', 'm365/unified-audit.ndjson', 'zeek/http.log', 'zeek/dns.log', 'crowdstrike/alerts.json', 'github/audit-log.json', 'web/portal-access.log']) {
  await deliver(token, await readFile(`${EVIDENCE}/${file}`));
}
await until('alerts', async () => (await ask(anna, '/alerts/facets?state=new')).total > 20);
const alerts = (await ask(anna, '/alerts?order=gravest&limit=100')).items;
const [incident] = (await ask(anna, '/incidents?order=gravest')).items;
await ask(anna, `/incidents/${incident.incident_id}/comments`, { text: '## So far\n\n1. **Okta**: the push of 22:11 was accepted after six refusals.\n2. Sessions ended, factors reset.\n\nNext: who read `mail/settings`?' });
for (const title of ['Call Maeve', 'Rotate the deploy key']) await ask(anna, `/incidents/${incident.incident_id}/tasks`, { title, assignee: 'anna' });
await ask(anna, `/alerts/${alerts[0].alert.alert_id}/comments`, { text: 'The address is a proxy that we have seen before.' });
await ask(anna, '/suppressions', { rule_id: alerts[3].alert.rule_id, until: '2099-01-01T00:00:00Z', reason: 'The scanner of every Tuesday' });
const off = alerts.find(({ alert }) => ![alerts[0], alerts[3]].some((other) => other.alert.rule_id === alert.rule_id)).alert.rule_id;
await ask(anna, `/rules/${e(off)}/off`, { reason: 'The nightly backup sets it off; mended by Thursday' });
await ask(anna, '/users', { login: 'ben', name: 'Ben Osei', role: 'analyst', password: PASSWORD });
await ask(anna, '/me/tokens', { name: 'nightly report', scopes: ['read', 'hunt'] });
for (const [name, q, shared] of [['Sign-ins from proxies', 'source:okta_system ip:203.0.113.66', true], ['Secrets read', 'class:"API Activity" "secrets"', false]]) await ask(anna, '/searches', { name, address: `/hunt?${DAYS}&q=${e(q)}`, shared });
const okta = `/hunt?${DAYS}&q=${e('source:okta_system')}`;
const LOADED = [
  ['floor', '/'],
  ['alerts', '/alerts?order=gravest'],
  ['alert', `/alerts?state=any&alert=${alerts[0].alert.alert_id}`],
  ['marked', '/alerts', press('j', 'x', 'x', 'x')],
  ['end', '/alerts', press('j', 'e')],
  ['incidents', '/incidents'],
  ['incident', `/incidents/${incident.incident_id}`],
  ['graph', `/incidents/${incident.incident_id}`, async (page) => {
    await page.getByRole('heading', { name: 'Who and what' }).scrollIntoViewIfNeeded();
    await page.mouse.move(0, 0);
  }],
  ['hunt', `/hunt?${DAYS}`],
  ['events', okta],
  ['event', okta, press('j', 'Enter')],
  ['value', okta, async (page) => {
    if (page.viewportSize().width > PHONE) await press('j', 'ArrowRight', 'ArrowRight', 'v')(page);
    else await page.locator('[role=grid] .value').first().click();
  }],
  ['searches', okta, (page) => page.getByRole('button', { name: 'Searches' }).click()],
  ['mistake', `/hunt?${DAYS}`, async (page) => {
    await page.getByRole('combobox', { name: 'Filter' }).click();
    await page.keyboard.type('usr:anna or (host:web');
  }],
  ['stack', `/hunt?${DAYS}&stack=user`],
  ['pane', `${okta}&pane=${e('address:203.0.113.66')}`],
  ['sql', `/hunt?mode=sql&${DAYS}&sql=${e('SELECT definition, count(*) AS n, min(time) AS first, max(time) AS last\nFROM events\nGROUP BY 1 ORDER BY n DESC')}`],
  ['sql-mistake', `/hunt?mode=sql&${DAYS}&sql=${e('SELECT time,\n  device_hostnam\nFROM events')}`],
  ['hunts', '/hunt?hunt=list'],
  ['savedhunt', `/hunt?hunt=accounts-made-and-raised&${DAYS}`],
  ['entity', '/entity/address/203.0.113.66'],
  ['rules', '/rules'],
  ['rule', `/rules?rule=${e(alerts[0].alert.rule_id)}`],
  ['ruleoff', `/rules?off=1&rule=${e(off)}`],
  ['switch', `/rules?rule=${e(alerts[0].alert.rule_id)}`, press('o')],
  ['matrix', '/rules?view=matrix'],
  ['sources', '/sources'],
  ['settings', '/settings'],
  ['tokens', '/settings/tokens'],
  ['suppressions', '/settings/suppressions'],
  ['users', '/settings/users'],
  ['audit', '/settings/audit'],
  ['palette', '/', async (page) => {
    await page.keyboard.press('Control+k');
    await page.keyboard.type('okta');
  }],
  ['keys', '/alerts', press('j', '?')],
];
await all('loaded', LOADED);

// Nobody answers any more; then the floor answers that it cannot.
const FAILING = [
  ['floor', '/'], ['alerts', '/alerts'], ['incidents', '/incidents'], ['incident', `/incidents/${incident.incident_id}`], ['hunt', `/hunt?${DAYS}`],
  ['events', okta], ['stack', `/hunt?${DAYS}&stack=user`], ['sql', `/hunt?mode=sql&${DAYS}&sql=SELECT%201`], ['hunts', '/hunt?hunt=list'], ['entity', '/entity/address/203.0.113.66'],
  ['rules', '/rules'], ['sources', '/sources'], ['users', '/settings/users'], ['audit', '/settings/audit'],
];
for (const [look, how] of [LOOKS[0], LOOKS[2]]) {
  for (const [state, answer] of [
    ['silent', (route) => route.abort('connectionrefused')],
    ['failing', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ status: 503, title: 'Service Unavailable', detail: 'the ledger does not answer: the database is locked', hints: ['It is tried again; look at /sources'] }) })],
  ]) {
    const page = await open(how);
    await logInQuietly(page);
    for (const [name, path] of FAILING) {
      await page.unrouteAll();
      await page.goto(`${URL}/settings`);
      await settled(page);
      // Within the pages, so that the session and the scripts are there.
      await page.route('**/api/v1/**', answer);
      await page.evaluate((to) => {
        const link = document.createElement('a');
        link.href = to;
        document.getElementById('main').append(link);
        link.click();
        link.remove();
      }, path);
      await shoot(page, `${name}-${state}-${look}`);
    }
    await page.context().close();
  }
}
await close();
