// Times are UTC everywhere, and said so: logs of one night come from many zones.

const two = (n: number) => String(n).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Milliseconds since 1970 of RFC 3339. */
export const ms = (text: string): number => Date.parse(text);
/** RFC 3339, to the second where that is exact. */
export const iso = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');

/** `02:11:09`. */
export function clock(at: number, millis = false): string {
  const d = new Date(at);
  const text = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
  return millis ? `${text}.${String(d.getUTCMilliseconds()).padStart(3, '0')}` : text;
}
/** `14 Oct`, with the year where it is not this one. */
export function day(at: number, now = Date.now()): string {
  const d = new Date(at);
  const year = d.getUTCFullYear() === new Date(now).getUTCFullYear() ? '' : ` ${d.getUTCFullYear()}`;
  return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}${year}`;
}
/** `14 Oct 02:11:09`. */
export const moment = (at: number): string => `${day(at)} ${clock(at)}`;

/** `3 min`, `2 h`, `5 d`. */
export function span(length: number): string {
  const s = Math.round(Math.abs(length) / 1000);
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${trim(s / 3600)} h`;
  return `${trim(s / 86400)} d`;
}
const trim = (n: number) => (n < 10 ? n.toFixed(1).replace('.0', '') : String(Math.round(n)));

/** `3 min ago`. */
export function ago(at: number, now = Date.now()): string {
  const past = now - at;
  if (past < 0) return past > -60_000 ? 'now' : `in ${span(-past)}`;
  return past < 5000 ? 'now' : `${span(past)} ago`;
}

export const UNITS: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** A moment as people write it: RFC 3339, `2026-10-14 02:11`, `now`, or a span back such as `24h`. */
export function parse(text: string, now: number): number | null {
  const word = text.trim();
  if (word === 'now') return now;
  const back = /^-?(\d+(?:\.\d+)?)\s*([smhdw])$/.exec(word);
  if (back) return within(now - Number(back[1]) * (UNITS[back[2] ?? ''] ?? 0));
  const plain = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/.test(word);
  const at = Date.parse(plain ? `${word.replace(' ', 'T')}${word.length > 10 ? 'Z' : ''}` : word);
  return within(at);
}
/** Times that can be written (years 1 to 9999). */
const within = (at: number) => (at > -62135596800000 && at < 253402300800000 ? at : null);

/** Spans with names. */
export const WINDOWS: [string, string][] = [
  ['15m', 'last 15 minutes'],
  ['1h', 'last hour'],
  ['4h', 'last 4 hours'],
  ['24h', 'last 24 hours'],
  ['3d', 'last 3 days'],
  ['7d', 'last 7 days'],
  ['30d', 'last 30 days'],
  ['365d', 'last year'],
];

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600,
].map((s) => s * 1000);
/** The step that cuts a span into about so many parts. */
export function step(length: number, parts: number): number {
  return STEPS.find((s) => length / s <= parts) ?? Math.ceil(length / parts / 864e5) * 864e5;
}

/** A number and what is counted: `1 alert`, `2,177 alerts`. */
export const many = (n: number, one: string, more = `${one}s`): string => `${count(n)} ${n === 1 ? one : more}`;
export const count = (n: number): string => n.toLocaleString('en-GB');
/** `1.2 k`, `3.4 M`. */
export function brief(n: number): string {
  if (n < 10_000) return count(n);
  if (n < 1e6) return `${trim(n / 1e3)} k`;
  return n < 1e9 ? `${trim(n / 1e6)} M` : `${trim(n / 1e9)} G`;
}
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (n >= 1024 && at < 4) {
    n /= 1024;
    at += 1;
  }
  return `${n < 10 && at ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}
