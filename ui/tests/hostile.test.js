// What senders, colleagues and addresses say is shown, and never run: text that means ill through every field of
// every receiver and everything that people write, and then a look at every page, with all that unfolds opened.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { LINK, PASSWORD, URL, ask, close, deliver, faults, open, settled, until } from './floor.js';

const { sockets } = JSON.parse(process.env.FLOOR_OPENED);
const TAILED = `${process.env.FLOOR_FOLDER}/tailed`;
const CERTIFICATE = `${process.env.FLOOR_FOLDER}/hostile/tls/certificate.pem`;
const DAYS = 'from=2026-10-13T00:00:00Z&to=2026-10-16T00:00:00Z';
/** Each sets the trap when it is run, asks another host when it is loaded, or turns a page around. */
const ATTACKS = [
  '<script>window.pwned=1</script>',
  `"'><img src=x onerror="window.pwned=1">`,
  'javascript:window.pwned=1//',
  '<svg onload="window.pwned=1"><animate onbegin="window.pwned=1" attributeName="x" dur="1s"/></svg>',
  '</textarea></title></style><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=1&gt;">',
  "{{constructor.constructor('window.pwned=1')()}}${window.pwned=1}#{window.pwned=1}<%=window.pwned=1%>{@html pwned}",
  '<a href="javascript:window.pwned=1" style="position:fixed;inset:0">x</a><form action="https://evil.example/">',
  'red;background:url(https://evil.example/c)}</style><style>*{background:url(https://evil.example/d)}',
  '<base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example/">',
  '[x](javascript:window.pwned=1) ![y](https://evil.example/z) <https://evil.example/> `code`',
  '\u202etxt.exe\u2066 \u001b[31m\u001b]0;owned\u0007 \u009b2J',
  '__proto__',
];
/** The same where less fits. */
const SHORT = ATTACKS.map((text) => text.slice(0, 280));
let anna;
let ids;
/** Whether the client over gRPC is installed. */
let overGrpc = false;
after(close);

/** A record that a definition knows, with the text wherever a sender has a say. */
const audit = (text, n, by) => JSON.stringify({
  kind: 'Event', apiVersion: 'audit.k8s.io/v1', level: 'Metadata', auditID: `${by}-${n}-${text}`, stage: 'ResponseComplete',
  requestURI: `/api/v1/intruder/${text}`, verb: text, user: { username: `${by} ${text}`, groups: [text], uid: text, extra: { [text]: [text] } },
  sourceIPs: ['192.0.2.7', text], userAgent: text, objectRef: { resource: 'secrets', namespace: text, name: text, apiVersion: text },
  responseStatus: { metadata: {}, code: 200, message: text, status: text }, annotations: { [text]: text },
  requestReceivedTimestamp: `2026-10-14T06:${String(n).padStart(2, '0')}:57.093441Z`,
});
/** As a line, where line breaks and escapes would be other lines. */
const line = (text, n, by) => `<38>Oct 14 06:${String(n).padStart(2, '0')}:01 ${by} sshd[7]: Failed password for invalid user ${text.replace(/[\0-\x1f]/g, ' ')} from 192.0.2.7 port 22 ssh2`;

/** Sends bytes over TCP, or TLS before the floor's own certificate, and gives what is answered until `enough`. */
const over = (address, bytes, enough, ca) => new Promise((told, failed) => {
  const at = address.lastIndexOf(':');
  const [host, port] = [address.slice(0, at), Number(address.slice(at + 1))];
  const socket = ca ? connectTls({ host, port, ca, servername: 'localhost', rejectUnauthorized: true }) : connect(port, host);
  let said = '';
  socket.setTimeout(20_000, () => failed(new Error(`no answer: ${said}`)));
  socket.on('error', failed);
  socket.on('data', (data) => {
    said += data;
    if (enough(said)) socket.end();
  });
  socket.on('close', () => told(said));
  socket.write(bytes, () => enough('') && socket.end());
});
async function post(path, headers, body) {
  const answer = await fetch(URL + path, { method: 'POST', headers, body });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
}
/** Delivers texts by OpenTelemetry's own client over gRPC; says whether it is installed, which may be required. */
const grpc = (token, texts) => new Promise((told, failed) => {
  const client = spawn('python3', [process.env.FLOOR_SENDERS, 'texts_grpc', URL, token, CERTIFICATE, '0'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  let errors = '';
  client.stdout.on('data', (data) => (said += data));
  client.stderr.on('data', (data) => (errors += data));
  const absent = (why) => {
    if (process.env.WATCHFLOOR_PAGES === 'required') return failed(new Error(`texts over gRPC: ${why}`));
    console.error(`skipped: texts over gRPC (${why})`);
    return told(false);
  };
  client.on('error', (error) => absent(error.message));
  client.on('close', (code) => {
    if (code === 77) absent(errors.trim());
    else if (code === 0 && JSON.parse(said).flushed) told(true);
    else failed(new Error(`gRPC: ${said} ${errors}`));
  });
  client.stdin.end(JSON.stringify(texts));
});
const addressOf = (kind) => sockets.find(([name]) => name === kind)[1];

/** Nothing was run, loaded or made of a text. */
async function inert(page, where) {
  const found = await page.evaluate(() => ({
    pwned: window.pwned,
    images: [...document.querySelectorAll('img, image, iframe, object, embed, base, form[action], meta[http-equiv]')].map((e) => e.outerHTML).filter((e) => !e.includes('/mark.svg')),
    scripts: [...document.querySelectorAll('script')].map((e) => e.getAttribute('src')).filter((src) => !src?.startsWith('/assets/')),
    links: [...document.querySelectorAll('[href], [src], [action], [formaction]')].map((e) => e.getAttribute('href') ?? e.getAttribute('src') ?? '').filter((to) => /^\s*(javascript|data|vbscript):|evil\.example/i.test(to) && !to.startsWith('/')),
    handlers: [...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name))).map((e) => e.outerHTML.slice(0, 200)),
    styles: [...document.querySelectorAll('[style]')].map((e) => e.getAttribute('style')).filter((style) => /url|expression|evil/i.test(style)),
  }));
  assert.deepEqual(found, { pwned: undefined, images: [], scripts: [], links: [], handlers: [], styles: [] }, where);
  assert.deepEqual(faults, [], where);
}
async function look(path, act) {
  await anna.goto(URL + path);
  await settled(anna);
  await inert(anna, path);
  if (!act) return;
  await act();
  await settled(anna);
  await inert(anna, `${path}, unfolded`);
}
/** Opens one event of the table after the other, in every form. */
async function events(many, where) {
  for (let n = 0; n < many; n += 1) {
    await anna.keyboard.press('j');
    if (!n) await anna.keyboard.press('Enter');
    await settled(anna);
    const event = anna.getByRole('region', { name: 'The event' });
    for (const tab of ['Raw', 'Native']) await event.getByRole('tab', { name: tab }).click();
    await settled(anna);
    await inert(anna, `${where}, event ${n}`);
  }
}
/** The texts are there to be read: nothing is proven by a page that leaves them out. */
const shows = () => until('a text that means ill is shown', () => anna.evaluate(() => document.body.innerText.includes('onerror')));
const e = encodeURIComponent;

test('texts that mean ill come in by every door', async () => {
  anna = await open();
  anna.context().on('page', (page) => page !== anna && faults.push(`a window: ${page.url()}`));
  await anna.goto(`${URL}/setup#${LINK}`);
  for (const [label, text] of [['Your name', SHORT[1]], ['Login', 'anna'], ['Password', PASSWORD]]) await anna.getByLabel(label).fill(text);
  await anna.getByRole('button', { name: 'Become the first admin' }).click();
  await anna.locator('#main').waitFor();
  const made = [];
  for (const text of SHORT) {
    const clean = text.replace(/[\0-\x1f\x80-\x9f]/g, ' ');
    made.push(await ask(anna, '/senders', { name: clean, tags: [clean.slice(0, 60)] }));
  }
  const token = made.find((sender) => sender.token).token;
  const bearer = { authorization: `Bearer ${token}` };
  const all = (make, by) => ATTACKS.map((text, n) => make(text, n, by));
  await deliver(token, all(audit, 'ingest').join('\n'));
  await deliver(token, all(line, 'ingest').join('\n'));
  await post('/services/collector/event', { authorization: `Splunk ${token}` }, ATTACKS.map((text, n) => JSON.stringify({ event: JSON.parse(audit(text, n, 'hec')), host: text, source: text, sourcetype: text, index: text, fields: { [text]: text } })).join(''));
  await post('/_bulk', { authorization: `ApiKey ${Buffer.from(`web:${token}`).toString('base64')}`, 'content-type': 'application/x-ndjson' },
    ATTACKS.map((text, n) => `${JSON.stringify({ create: { _index: 'logs', _id: `${n}${text}` } })}\n${JSON.stringify({ '@timestamp': '2026-10-14T06:00:01Z', message: line(text, n, 'bulk'), host: { name: text }, tags: [text], [text]: text })}\n`).join(''));
  await post('/v1/logs', { ...bearer, 'content-type': 'application/json' }, JSON.stringify({
    resourceLogs: ATTACKS.map((text, n) => ({
      resource: { attributes: [{ key: text, value: { stringValue: text } }, { key: 'service.name', value: { stringValue: text } }, { key: 'host.name', value: { stringValue: text } }] },
      scopeLogs: [{ scope: { name: text, version: text }, logRecords: [{ timeUnixNano: '1792303200000000000', severityText: text, body: { stringValue: n % 2 ? text : audit(text, n, 'otlp') }, attributes: [{ key: text, value: { stringValue: text } }] }] }],
    })),
  }));
  await post('/logpush/http_requests', bearer, ATTACKS.map((text, n) => JSON.stringify({ EdgeStartTimestamp: `2026-10-14T06:${String(n).padStart(2, '0')}:00Z`, ClientIP: '192.0.2.7', ClientRequestHost: text, ClientRequestMethod: 'GET', ClientRequestURI: `/${text}`, ClientRequestUserAgent: text, ClientRequestReferer: text, EdgeResponseStatus: 200, RayID: text, ClientCountry: text })).join('\n'));
  overGrpc = await grpc(token, ATTACKS);
  await over(addressOf('syslog-tcp'), `${all(line, 'tcp').join('\n')}\n`, () => true);
  const ca = await readFile(CERTIFICATE);
  // Octets are counted, as RFC 5425 wants it.
  await over(addressOf('syslog-tls'), all(line, 'tls').map((text) => `${Buffer.byteLength(text)} ${text}`).join(''), () => true, ca);
  const udp = createSocket('udp4');
  const [, host, port] = /^(.*):(\d+)$/.exec(addressOf('syslog-udp'));
  for (const text of all(line, 'udp')) await new Promise((sent) => udp.send(text, Number(port), host, sent));
  udp.close();
  const offers = 'relp_version=0\ncommands=syslog';
  for (const [kind, by, trust] of [['relp', 'relp', null], ['relp-tls', 'relptls', ca]]) {
    const frames = [`1 open ${offers.length} ${offers}`, ...all(line, by).map((text, n) => `${n + 2} syslog ${Buffer.byteLength(text)} ${text}`)];
    await over(addressOf(kind), frames.map((frame) => `${frame}\n`).join(''), (said) => said.includes(`${ATTACKS.length + 1} rsp`), trust);
  }
  for (const [n, text] of ATTACKS.entries()) {
    // A file's name holds all but a slash.
    const name = text.replace(/[/\0]/g, '_').slice(0, 120);
    await writeFile(`${TAILED}/${name}.log`, `${line(text, n, 'tail')}\n`);
  }

  const alerts = async () => (await ask(anna, '/alerts?limit=500')).items;
  await until('an alert for each text', async () => new Set((await alerts()).filter((row) => row.alert.rule_title.includes('onerror')).map((row) => row.alert.entity?.value)).size >= ATTACKS.length);
  for (const by of ['ingest', 'bulk', 'tcp', 'tls', 'udp', 'relp', 'relptls', 'tail']) {
    await until(`the lines by ${by}`, async () => {
      const [row] = await ask(anna, '/query', { sql: `SELECT count(*) AS n FROM events WHERE raw_data LIKE '%${by} sshd%' OR native LIKE '%${by} sshd%'` });
      return Number(row.n) >= ATTACKS.length;
    });
  }
  const holding = async (word) => Number((await ask(anna, '/query', { sql: `SELECT count(*) AS n FROM events WHERE raw_data LIKE '%${word}%' OR native LIKE '%${word}%'` }))[0].n);
  for (const by of ['hec', 'otlp']) await until(`the records by ${by}`, async () => (await holding(`${by}-`)) > 0);
  if (overGrpc) for (const body of ['grpc-text', 'grpc-map']) await until(`the records by ${body}`, async () => (await holding(body)) >= ATTACKS.length);
});

test('colleagues write the same', async () => {
  const rows = (await ask(anna, '/alerts?limit=500')).items;
  const incident = await ask(anna, '/incidents', { title: SHORT[1], severity: 'critical', alerts: rows.slice(0, 20).map((row) => row.alert.alert_id) });
  ids = { alerts: rows.map((row) => row.alert.alert_id), incident: incident.incident_id, rule: rows[0].alert.rule_id };
  for (const text of SHORT) {
    const clean = text.replace(/[\0-\x1f\x80-\x9f]/g, ' ');
    await ask(anna, `/alerts/${ids.alerts[0]}/comments`, { text: `# ${text}\n\n- ${text}\n\n> ${text}\n\n**${text}** _${text}_ [${text}](${text})\n\n\`\`\`${text}\n${text}\n\`\`\`` });
    await ask(anna, `/incidents/${ids.incident}/comments`, { text });
    await ask(anna, `/incidents/${ids.incident}/tasks`, { title: clean, assignee: clean });
    await ask(anna, '/suppressions', { rule_id: text, until: '2099-01-01T00:00:00Z', reason: clean });
    await ask(anna, '/incidents', { title: clean, severity: 'high', alerts: [] });
    await ask(anna, '/me/tokens', { name: clean, scopes: ['read'] });
    await ask(anna, '/searches', { name: clean, address: `/hunt?q=${e(text)}`, shared: true });
  }
  for (const [n, text] of SHORT.slice(0, 3).entries()) await ask(anna, '/users', { login: `mallory-${n}`, name: text, role: 'viewer', password: PASSWORD });
  const off = await ask(anna, `/rules/${e(ids.rule)}/off`, { reason: SHORT[1] });
  assert.equal(off.rules_off, 1, JSON.stringify(off));
  const refused = await ask(anna, '/searches', { name: 'away', address: 'javascript:window.pwned=1', shared: true });
  assert.equal(refused.status, 400, 'a search leads to /hunt alone');
});

test('every page shows them as text', async () => {
  await look('/');
  await shows();
  await look('/alerts?state=any', async () => {
    for (let n = 0; n < ATTACKS.length + 4; n += 1) {
      await anna.keyboard.press('j');
      await settled(anna);
      await inert(anna, `alert ${n}`);
    }
    for (const summary of await anna.locator('summary').all()) await summary.click();
    for (const key of ['e', 'l', 's', 'm']) {
      await anna.keyboard.press(key);
      await settled(anna);
      await inert(anna, `the dialog by ${key}`);
      await anna.keyboard.press('Escape');
    }
  });
  await look(`/alerts?state=any&alert=${ids.alerts[0]}`);
  await look('/incidents?status=any');
  await look(`/incidents/${ids.incident}`, async () => {
    for (const tab of await anna.getByRole('tab').all()) {
      await tab.click();
      await settled(anna);
      await inert(anna, `the tab ${await tab.textContent()}`);
    }
    for (const summary of await anna.locator('summary').all()) await summary.click();
    for (const node of await anna.locator('svg [role=button], svg g[tabindex]').all()) await node.hover({ force: true });
    await anna.emulateMedia({ media: 'print' });
    await inert(anna, 'on paper');
    await anna.emulateMedia({ media: 'screen' });
  });
  await look(`/hunt?${DAYS}`);
  for (const q of ['source:kubernetes_audit', 'host:tail', 'host:tls', 'host:relptls', 'not source:kubernetes_audit']) {
    await look(`/hunt?${DAYS}&q=${e(q)}`, async () => {
      await anna.locator('.chart svg').first().hover();
      if (q === 'source:kubernetes_audit') await shows();
      await events(q.startsWith('source') ? ATTACKS.length : 4, q);
    });
  }
  await look(`/hunt?${DAYS}&q=${e('source:kubernetes_audit')}`, async () => {
    for (const value of await anna.locator('[aria-label=Facets] .value button').all()) {
      await value.hover();
      await value.click();
      await inert(anna, 'the menu of a value');
      await anna.keyboard.press('Escape');
    }
  });
  for (const column of ['user', 'agent', 'actor_user_name', 'api_operation', 'device_hostname', 'class_name']) await look(`/hunt?${DAYS}&stack=${column}`);
  await look(`/hunt?${DAYS}&band=severity&show=events`);
  await look(`/hunt?mode=sql&${DAYS}&sql=${e('SELECT actor_user_name, http_request_user_agent, raw_data, native FROM events')}`);
  await look(`/hunt?${DAYS}`, () => anna.getByRole('button', { name: 'Searches' }).click());
  if (overGrpc) {
    await look(`/hunt?from=${new Date(Date.now() - 36e5).toISOString()}&to=${new Date(Date.now() + 36e5).toISOString()}&q=${e('"grpc-text"')}`, async () => {
      await anna.getByRole('grid', { name: 'Events' }).locator('[aria-rowindex="2"]').waitFor();
      await shows();
      await events(ATTACKS.length, 'over gRPC');
    });
  }
  await look('/rules?text=intruder');
  await look(`/rules?rule=${e(ids.rule)}`, () => anna.getByText('Switch on').waitFor());
  await look('/rules?view=matrix');
  await look('/hunt?hunt=hostile');
  await look('/sources');
  for (const part of ['', '/tokens', '/suppressions', '/users', '/audit']) {
    await look(`/settings${part}`, async () => {
      for (const summary of (await anna.locator('summary').all()).slice(0, 40)) await summary.click();
    });
  }
});

test('what addresses, fields and errors say is text as well', async () => {
  for (const text of [ATTACKS[2], ATTACKS[12], ATTACKS.join(' ')]) {
    const low = e(text.toLowerCase());
    for (const path of [
      `/entity/user/${e(`ingest ${text}`.toLowerCase())}`, `/hunt?${DAYS}&q=${e(text)}`, `/hunt?${DAYS}&q=${e(`usr:${text}`)}`,
      `/hunt?mode=sql&${DAYS}&sql=${e(`SELECT ${text}`)}`, `/hunt?hunt=${e(text)}`, `/hunt?${DAYS}&stack=${e(text)}&cols=${e(text)}`,
      `/hunt?${DAYS}&q=*&pane=${e(e(`user:${text}`))}&event=${e(text)}&et=${e(text)}&near=${e(text)}`,
      `/alerts?state=any&text=${e(text)}&entity=${e(`user:${text}`)}&level=${e(text)}`, `/incidents/${low}`,
    ]) await look(path);
  }
  for (const path of ['/entity/user/%E0%A4%A', '/incidents/%', '/%3Cscript%3E', `/settings/${e(ATTACKS[1])}`, `/rules?rule=${e(ATTACKS[1])}`, '/hunt?from=<img>&to=x&span=<b>']) {
    await look(path);
    await anna.locator('#main').waitFor();
  }
  await look('/alerts', async () => {
    for (const text of ATTACKS) {
      await anna.keyboard.press('Control+k');
      await anna.keyboard.insertText(text);
      await settled(anna);
      await inert(anna, 'the palette');
      await anna.keyboard.press('Escape');
    }
    await anna.keyboard.press('?');
    await inert(anna, 'the keys');
    await anna.keyboard.press('Escape');
  });
  // A toast that says what was refused, and of what.
  await anna.goto(`${URL}/sources`);
  await anna.getByRole('button', { name: 'Make a sender' }).click();
  await anna.getByRole('dialog').getByLabel('Name', { exact: true }).fill(SHORT[1]);
  await anna.getByRole('button', { name: 'Make it' }).click();
  await shows();
  await settled(anna);
  await inert(anna, 'what was refused');
});
