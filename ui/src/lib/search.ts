// A search over events: its window, its condition, and the questions that it asks of the lake.
import { another, ask, quoted, type Answer } from './api';
import { columnsOf, condition, readFilter, spelled } from './filter';
import { iso, parse, step } from './time';
import type { ColumnWord, Entity, EntityKind, Row } from './types';

/** A window in time, in milliseconds; what is at `to` is outside. */
export interface Window {
  from: number;
  to: number;
}
export interface Search {
  window: Window;
  /** None when everything is meant. */
  where: string | null;
  /** Under which its stretches are known. */
  name: string;
}

export const DEFAULT_SPAN = '24h';

/** The window that an address means: a span back from now, or two moments. */
export function windowOf(query: URLSearchParams, now: number): Window {
  const from = query.get('from');
  const to = query.get('to');
  const end = (to && parse(to, now)) || now;
  const begin = from ? parse(from, now) : parse(query.get('span') ?? DEFAULT_SPAN, end);
  return { from: Math.min(begin ?? end - 864e5, end - 1), to: end };
}

export const searchOf = (q: string, window: Window, words: ColumnWord[]): Search => ({
  window,
  where: condition(readFilter(q).tree, words),
  name: another(),
});

/** What stands for a row at a glance: the first of these that the event has. */
const WHAT = `coalesce(message, process_cmd_line, query_hostname, http_request_url_url_string, http_request_url_path,
  api_operation, file_path, reg_key_path, email_subject, finding_info_title, activity_name)`;
const WHO = 'coalesce(user_name, actor_user_name, actor_user_email_addr, user_email_addr, actor_user_uid)';

export interface Shown {
  name: string;
  /** How it is asked for. */
  sql: string;
  /** The field to pivot on. */
  field: string;
  width: number;
}
/** The columns that a search shows unless a person chose others. */
export const SHOWN: Shown[] = [
  { name: 'source', sql: 'definition', field: 'definition', width: 8 },
  { name: 'class', sql: 'class_name', field: 'class_name', width: 9 },
  { name: 'host', sql: 'device_hostname', field: 'device_hostname', width: 8 },
  { name: 'who', sql: WHO, field: 'user', width: 8.5 },
  { name: 'from', sql: 'src_endpoint_ip', field: 'src_endpoint_ip', width: 7.5 },
  { name: 'what', sql: WHAT, field: '', width: 0 },
];

/** A column that a person added, by its name. */
export function added(name: string, words: ColumnWord[]): Shown {
  const usual = SHOWN.find((shown) => shown.name === name);
  if (usual) return usual;
  const column = columnsOf(name, words)?.names[0];
  return { name, sql: column ?? 'NULL', field: column ?? '', width: 10 };
}

const REGULAR = /^[a-z_][a-z0-9_]*$/;
const named = (shown: Shown) => `${shown.sql} AS "${REGULAR.test(shown.name) ? shown.name : 'x'}"`;
const filtered = (where: string | null, more?: string) => {
  const parts = [where, more].filter(Boolean);
  return parts.length ? ` WHERE ${parts.join(' AND ')}` : '';
};
const between = ({ from, to }: Window) => ({ since: iso(from), until: iso(to) });

export interface Bucket {
  at: number;
  /** By band. */
  bands: Record<string, number>;
  total: number;
}
export interface Histogram {
  step: number;
  buckets: Bucket[];
  bands: string[];
  total: number;
}

/** How many events there are in each part of the window, by a column. */
export async function histogram(search: Search, band: string, signal?: AbortSignal, parts = 120): Promise<Histogram> {
  const { from, to } = search.window;
  const size = step(to - from, parts);
  const seconds = size / 1000;
  const sql = `SELECT CAST(floor(date_part('epoch', time) / ${seconds}) AS BIGINT) AS t, CAST(${band} AS VARCHAR) AS b,
    count(*) AS n FROM events${filtered(search.where)} GROUP BY 1, 2`;
  const { rows } = await ask(sql, { ...between(search.window), signal });
  const first = Math.floor(from / size);
  const last = Math.floor((to - 1) / size);
  const buckets: Bucket[] = [];
  for (let t = first; t <= last; t += 1) buckets.push({ at: t * size, bands: {}, total: 0 });
  const totals: Record<string, number> = {};
  let total = 0;
  for (const row of rows) {
    const bucket = buckets[Number(row.t) - first];
    const n = Number(row.n);
    const name = row.b === null || row.b === undefined ? '' : String(row.b);
    totals[name] = (totals[name] ?? 0) + n;
    total += n;
    if (!bucket) continue;
    bucket.bands[name] = (bucket.bands[name] ?? 0) + n;
    bucket.total += n;
  }
  const bands = Object.keys(totals).sort((a, b) => (totals[b] ?? 0) - (totals[a] ?? 0));
  return { step: size, buckets, bands, total };
}

export type Order = 'latest' | 'earliest';

/** Some rows of a part of the window, in the order of the search. */
async function rowsIn(
  search: Search,
  window: Window,
  columns: Shown[],
  order: Order,
  offset: number,
  many: number,
  signal?: AbortSignal,
): Promise<Row[]> {
  const direction = order === 'latest' ? 'DESC' : 'ASC';
  const sql = `SELECT time, event_uid, severity_id, ${columns.map(named).join(', ')} FROM events${filtered(search.where)}
    ORDER BY time ${direction}, parcel_digest ${direction}, parcel_offset ${direction}, parcel_index ${direction}
    LIMIT ${many}${offset > 0 ? ` OFFSET ${offset}` : ''}`;
  return (await ask(sql, { ...between(window), search: search.name, signal })).rows;
}

/** Milliseconds that a stretch of the window should take to be looked through. */
const STRETCH = 250;

/** The first rows of a search as they are found: the window is looked through from its end on that is shown
first, in stretches that grow while they are quick. What is common is found in the first of them, and what is
rare is seen long before everything has been read. */
export async function* firstRows(
  search: Search,
  columns: Shown[],
  order: Order,
  many: number,
  signal?: AbortSignal,
): AsyncGenerator<{ rows: Row[]; looked: number }> {
  const { from, to } = search.window;
  let size = (to - from) / 32;
  let [left, right] = [from, to];
  let found = 0;
  while (found < many && left < right) {
    // What is left over is not worth a question of its own.
    if (size * 1.5 > right - left) size = right - left;
    const part = order === 'latest' ? { from: Math.max(left, Math.floor(right - size)), to: right } : { from: left, to: Math.min(right, Math.ceil(left + size)) };
    const began = performance.now();
    const rows = await rowsIn(search, part, columns, order, 0, many - found, signal);
    if (order === 'latest') right = part.from;
    else left = part.to;
    found += rows.length;
    // At least twice as long: where a question itself takes long, there are few.
    size *= Math.min(8, Math.max(2, STRETCH / (performance.now() - began)));
    yield { rows, looked: order === 'latest' ? right : left };
  }
}

/** Some rows of a search, from the `first` on. The histogram says in which part of the window they lie. */
export async function rowsAt(
  search: Search,
  counts: Histogram,
  columns: Shown[],
  order: Order,
  first: number,
  many: number,
  signal?: AbortSignal,
): Promise<Row[]> {
  const buckets = order === 'latest' ? [...counts.buckets].reverse() : counts.buckets;
  let before = 0;
  let at = 0;
  while (at < buckets.length - 1 && before + (buckets[at]?.total ?? 0) <= first) before += buckets[at++]?.total ?? 0;
  let end = at;
  let sum = before + (buckets[at]?.total ?? 0);
  while (end < buckets.length - 1 && sum < first + many) sum += buckets[++end]?.total ?? 0;
  const times = [buckets[at]?.at ?? 0, buckets[end]?.at ?? 0];
  const window = {
    from: Math.max(search.window.from, Math.min(...times)),
    to: Math.min(search.window.to, Math.max(...times) + counts.step),
  };
  return rowsIn(search, window, columns, order, first - before, many, signal);
}

export interface Counted {
  value: string | null;
  n: number;
  first: string;
  last: string;
}

/** Counts by a column, the most frequent first. */
export async function stacked(search: Search, column: string, limit: number, signal?: AbortSignal): Promise<Counted[]> {
  const sql = `SELECT CAST(${column} AS VARCHAR) AS value, count(*) AS n, min(time) AS first, max(time) AS last
    FROM events${filtered(search.where)} GROUP BY 1 ORDER BY n DESC, value LIMIT ${limit}`;
  const { rows } = await ask(sql, { ...between(search.window), signal });
  // What is null is left out of an answer.
  return rows.map((row) => ({ value: null, ...row }) as unknown as Counted);
}

/** Events of a search up to which its facets are counted in one pass over them. */
const ONE_PASS = 1_000_000;

/** The most frequent values of several columns, in one question. */
export async function facets(
  search: Search,
  columns: string[],
  total: number,
  signal?: AbortSignal,
): Promise<Record<string, { value: string; n: number }[]>> {
  const { rows } = await ask(total > ONE_PASS ? byColumn(search, columns) : inOnePass(search, columns), { ...between(search.window), signal });
  const found: Record<string, { value: string; n: number }[]> = {};
  for (const row of rows) (found[String(row.f)] ??= []).push({ value: String(row.v), n: Number(row.n) });
  for (const list of Object.values(found)) list.sort((a, b) => b.n - a.n);
  return found;
}
/** A pass for each column: quick over many events, as each reads little. */
const byColumn = (search: Search, columns: string[]) =>
  columns
    .map((column) => `(SELECT ${quoted(column)} AS f, CAST(${column} AS VARCHAR) AS v, count(*) AS n
    FROM events${filtered(search.where, `${column} IS NOT NULL`)} GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT 7)`)
    .join(' UNION ALL ');
/** One pass: the filter may be what takes time, and is asked once. */
const inOnePass = (search: Search, columns: string[]) => `SELECT f, v, n FROM (
    SELECT f, v, n, row_number() OVER (PARTITION BY f ORDER BY n DESC, v) AS place FROM (
      SELECT CASE ${columns.map((column) => `WHEN grouping(${column}) = 0 THEN ${quoted(column)}`).join(' ')} END AS f,
        coalesce(${columns.map((column) => `CAST(${column} AS VARCHAR)`).join(', ')}) AS v, count(*) AS n
      FROM events${filtered(search.where)} GROUP BY GROUPING SETS (${columns.map((column) => `(${column})`).join(', ')})
    ) WHERE v IS NOT NULL
  ) WHERE place <= 7`;

export interface Overview {
  source: string | null;
  class: string;
  n: number;
  first: string;
  last: string;
}
/** What there is, by source and class. */
export async function overview(search: Search, signal?: AbortSignal): Promise<Overview[]> {
  const sql = `SELECT definition AS source, class_name AS class, count(*) AS n, min(time) AS first, max(time) AS last
    FROM events${filtered(search.where)} GROUP BY 1, 2 ORDER BY n DESC LIMIT 500`;
  const { rows } = await ask(sql, { ...between(search.window), signal });
  return rows.map((row) => ({ source: null, ...row }) as unknown as Overview);
}

/** All of one event. */
export async function whole(uid: string, time: string): Promise<Row | undefined> {
  const at = Date.parse(time);
  const sql = `SELECT * FROM events WHERE event_uid = ${quoted(uid)}`;
  return (await ask(sql, { since: iso(at - 1000), until: iso(at + 1000), limit: 1 })).rows[0];
}

/** Asks in SQL as a person wrote it. */
export const asWritten = (sql: string, window: Window, limit: number, signal?: AbortSignal): Promise<Answer> =>
  ask(sql, { ...between(window), limit, signal });

/** Kinds that stand beside each other in events, and by which column. */
export const BESIDE: [EntityKind, string][] = [
  ['user', 'coalesce(user_name, actor_user_name)'],
  ['host', 'device_hostname'],
  ['address', 'coalesce(src_endpoint_ip, dst_endpoint_ip)'],
  ['domain', 'coalesce(query_hostname, http_request_url_hostname)'],
];
export interface Beside extends Entity {
  n: number;
}
/** What stands beside something in its events, the most frequent of each kind. */
export async function beside(entity: Entity, where: string, window: Window, each: number, signal?: AbortSignal): Promise<Beside[]> {
  const one = ([kind, sql]: [EntityKind, string]) => `(SELECT '${kind}' AS k, ${sql} AS v, count(*) AS n FROM events
    WHERE ${where} AND ${sql} IS NOT NULL GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT ${each + 1})`;
  const { rows } = await ask(BESIDE.map(one).join(' UNION ALL '), { ...between(window), signal });
  return rows
    .map((row) => ({ kind: String(row.k) as EntityKind, value: String(row.v), n: Number(row.n) }))
    .filter((other) => other.value.toLowerCase() !== entity.value.toLowerCase())
    .sort((a, b) => b.n - a.n);
}

/** The condition that events name an entity; none when no column could. */
export function naming(entity: Entity, words: ColumnWord[]): string | null {
  if (!columnsOf(entity.kind, words)) return null;
  return condition(readFilter(`${entity.kind}:${spelled(entity.value)}`).tree, words);
}
