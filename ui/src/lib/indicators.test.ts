import { expect, test } from 'vitest';
import { handover, inert } from './handover';
import { filterFor, indicators } from './indicators';
import type { IncidentRow } from './types';

test('indicators are found in what people paste, defanged or not', () => {
  const report = `The actor used hxxps://evil[.]example/a, 198.51.100[.]77 and (2001:db8::1);
    mail from bad[@]evil.example. Hash: D41D8CD98F00B204E9800998ECF8427E. Version 1.2.3, at 12:30. 999.1.1.1`;
  expect(indicators(report)).toEqual([
    { kind: 'url', value: 'https://evil.example/a' },
    { kind: 'address', value: '198.51.100.77' },
    { kind: 'address', value: '2001:db8::1' },
    { kind: 'email', value: 'bad@evil.example' },
    { kind: 'hash', value: 'D41D8CD98F00B204E9800998ECF8427E' },
  ]);
});

test('a filter for several names each kind once', () => {
  const filter = filterFor([
    { kind: 'address', value: '192.0.2.7' },
    { kind: 'address', value: '2001:db8::1' },
    { kind: 'hash', value: 'd41d8cd98f00b204e9800998ecf8427e' },
  ]);
  expect(filter).toBe('address:(192.0.2.7, "2001:db8::1") or hash:(d41d8cd98f00b204e9800998ecf8427e)');
});

test('what senders wrote is no markup where an incident is handed over', () => {
  expect(inert('[x](http://evil.example) <b>**\n# y')).toBe(
    '\\[x\\]\\(hxxp://evil.example\\) \\<b\\>\\*\\* \\# y',
  );
  const told = {
    title: '<img src=x>', summary: '', severity: 'high', risk: 1, risk_parts: [], alert_ids: [], finding_count: 0,
    entities: [], tactics: [], techniques: [], sources: [], reason: '', next_steps: [],
  };
  const row = {
    number: 7, told, title: null, status: 'new', owner: null, level: 'high', risk: 1,
    first_time: '2026-10-14T00:00:00Z', last_time: '2026-10-14T01:00:00Z',
  };
  const text = handover(row as unknown as IncidentRow, [], [], []);
  expect(text.split('\n')[0]).toBe('# Incident 7: \\<img src=x\\>');
});
