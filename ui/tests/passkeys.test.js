// Passkeys: made in the settings, then enough alone, then asked for beside the password, then gone. The
// authenticator is Chromium's own, which is no device.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { LINK, PASSWORD, URL, close, faults, logIn, open } from './floor.js';

after(close);

test('a passkey is made, lets its owner in, and is asked for beside the password', async () => {
  const page = await open();
  const device = await page.context().newCDPSession(page);
  await device.send('WebAuthn.enable');
  await device.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });

  await page.goto(`${URL}/setup#${LINK}`);
  for (const [label, text] of [['Your name', 'Anna'], ['Login', 'anna'], ['Password', PASSWORD]]) await page.getByLabel(label).fill(text);
  await page.getByRole('button', { name: 'Become the first admin' }).click();
  await page.locator('#main').waitFor();

  await page.goto(`${URL}/settings`);
  await page.getByLabel('What to call it').fill('this laptop');
  await page.getByRole('button', { name: 'Make a passkey' }).click();
  await page.getByText('this laptop', { exact: true }).waitFor();

  const leave = async () => {
    await page.goto(`${URL}/settings`);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor();
  };
  const factors = () => page.evaluate(async () => (await (await fetch('/api/v1/me')).json()).session.factors);

  await leave();
  await page.getByRole('button', { name: 'Log in with a passkey' }).click();
  await page.locator('#main').waitFor();
  assert.deepEqual(await factors(), ['passkey']);

  await leave();
  await logIn(page);
  assert.deepEqual(await factors(), ['password', 'passkey']);

  await page.goto(`${URL}/settings`);
  await page.getByRole('button', { name: 'Remove it' }).click();
  await page.getByText('this laptop', { exact: true }).waitFor({ state: 'detached' });
  await leave();
  await logIn(page);
  assert.deepEqual(await factors(), ['password']);
  assert.deepEqual(faults, []);
});
