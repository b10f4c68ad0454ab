import { expect, test } from 'vitest';
import { FilterError, condition, narrowed, readFilter, without } from './filter';
import type { ColumnWord } from './types';

const WORDS: ColumnWord[] = [
  { name: 'user_name', path: 'user.name', kind: 'text', pivot: true, entity: 'user' },
  { name: 'actor_user_name', path: 'actor.user.name', kind: 'text', pivot: true, entity: 'user' },
  { name: 'src_endpoint_ip', path: 'src_endpoint.ip', kind: 'text', pivot: true, entity: 'address' },
  { name: 'severity_id', path: 'severity_id', kind: 'number', pivot: false },
  { name: 'is_mfa', path: 'is_mfa', kind: 'boolean', pivot: false },
];
const sql = (text: string) => condition(readFilter(text).tree, WORDS);

test.each([
  ['', null],
  ['user_name:anna', "user_name = 'anna'"],
  ['user.name="O\'Brien"', "user_name = 'O''Brien'"],
  ['user:Anna', "(lower(user_name) = 'anna' OR lower(actor_user_name) = 'anna')"],
  ['ip:10.0.0.0/8', "cidr_match(src_endpoint_ip, '10.0.0.0/8')"],
  ['src_endpoint_ip:2001:DB8::1', "src_endpoint_ip IN ('2001:DB8::1', '2001:db8::1')"],
  ['user_name:svc-*', "user_name ILIKE 'svc-%'"],
  ['user_name:a_b*', "user_name ILIKE 'a\\_b%'"],
  ['user_name:"*"', "user_name = '*'"],
  ['user_name:*', 'user_name IS NOT NULL'],
  ['user_name~^adm', "regexp_like(user_name, '^adm', 'i')"],
  ['severity_id>=4', 'severity_id >= 4'],
  ['is_mfa:false', 'is_mfa = false'],
  ['not user_name:a', "(user_name = 'a') IS NOT TRUE"],
  ['user_name!=a', "(user_name = 'a') IS NOT TRUE"],
  ['user_name:(a, b or "c d")', "(user_name = 'a' OR user_name = 'b' OR user_name = 'c d')"],
  ['user_name:a or user_name:b user_name:c', "(user_name = 'a' OR (user_name = 'b' AND user_name = 'c'))"],
  ['(user_name:a or user_name:b) and -severity_id:1',
    "((user_name = 'a' OR user_name = 'b') AND (severity_id = 1) IS NOT TRUE)"],
  ['"100% \'sure\'"', "(raw_data ILIKE '%100\\% ''sure''%' OR native ILIKE '%100\\% ''sure''%')"],
  ['native.EventData.Image:x', "lower(json_as_text(native, 'EventData', 'Image')) = 'x'"],
  ['orange', "(raw_data ILIKE '%orange%' OR native ILIKE '%orange%')"],
])('%s', (text, expected) => {
  expect(sql(text)).toBe(expected);
});

test.each([
  ['user_name:', 10],
  ['(user_name:a', 0],
  ['user_name:a)', 11],
  ['user_name:"a', 10],
  ['nobody:a', 0],
  ['severity_id:high', 0],
  ['a or', 4],
])('a mistake has its place: %s', (text, start) => {
  try {
    sql(text);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(FilterError);
    expect((error as FilterError).start).toBe(start);
  }
});

test('what is said in a value stays a value', () => {
  const hostile = `x"; DROP TABLE events; -- '`;
  const text = narrowed('', 'user_name', hostile, 'include');
  expect(sql(text)).toBe(`user_name = 'x"; DROP TABLE events; -- '''`);
});

test('values are added, turned round and taken away', () => {
  const one = narrowed('', 'user_name', 'a', 'include');
  const two = narrowed(one, 'src_endpoint_ip', '::1', 'exclude');
  expect(two).toBe('user_name:a not src_endpoint_ip:"::1"');
  expect(narrowed(two, 'src_endpoint_ip', '::1', 'include')).toBe('user_name:a src_endpoint_ip:"::1"');
  expect(narrowed(two, 'user_name', 'a', 'include')).toBe(two);
  expect(narrowed('user_name:a or user_name:b', 'is_mfa', 'true', 'include')).toBe(
    '(user_name:a or user_name:b) is_mfa:true',
  );
  expect(narrowed(two, 'user_name', 'z', 'only')).toBe('user_name:z');
  const { chips } = readFilter(two);
  expect(chips.map((chip) => [chip.text, chip.not])).toEqual([
    ['user_name:a', false],
    ['not src_endpoint_ip:"::1"', true],
  ]);
  expect(without(two, chips[1]!)).toBe('user_name:a');
});
