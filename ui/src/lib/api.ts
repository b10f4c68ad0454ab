// The API: requests, problems (RFC 9457), lists, and questions in SQL.
import type { Questioned } from './passkeys';
import type { Page, Row } from './types';

/** Why a request was not answered. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly hints: string[] = [],
    readonly codeNeeded = false,
    readonly after = 0,
    /** What a passkey must answer beside the password. */
    readonly passkey: Questioned | null = null,
    /** Whether nothing was to be changed. */
    readonly reads = false,
  ) {
    super(detail);
  }
}

/** The session's own word, which changes carry. */
let word = '';
let lost: () => void = () => {};

export function setWord(csrf: string): void {
  word = csrf;
}
/** What to do when the session has ended. */
export function onLost(then: () => void): void {
  lost = then;
}
let silent: () => void = () => {};
/** What to do when the floor does not answer. */
export function onSilence(then: () => void): void {
  silent = then;
}

async function problem(response: Response): Promise<Problem> {
  const after = Number(response.headers.get('retry-after') ?? 0);
  try {
    const told = await response.json();
    return new Problem(response.status, told.detail ?? response.statusText, told.hints, told.code_needed, after, told.passkey ?? null);
  } catch {
    return new Problem(response.status, response.statusText || `the answer was ${response.status}`, [], false, after);
  }
}

/** Changes of which nobody knows whether they were carried out, and their keys: the same again is sent under the
 * same key (`Idempotency-Key`), so that it is carried out once. */
const unsure = new Map<string, string>();
export const another = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, '0')).join('');
const asks = (path: string) => /^\/(query|hunts|login|logout)\b/.test(path);

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (method !== 'GET') headers['x-csrf-token'] = word;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const text = body === undefined ? undefined : JSON.stringify(body);
  const change = `${path} ${text}`;
  const key = method === 'POST' && !asks(path) ? (unsure.get(change) ?? another()) : null;
  if (key) headers['idempotency-key'] = key;
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: text,
      signal,
      credentials: 'same-origin',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (key) unsure.set(change, key);
    silent();
    throw new Problem(0, 'the floor does not answer', ['Is it running, and is the network there?'], false, 0, null, method === 'GET');
  }
  unsure.delete(change);
  if (response.ok) return response;
  if (response.status === 401 && !path.startsWith('/login') && path !== '/me') lost();
  throw await problem(response);
}

async function read<T>(response: Response): Promise<T> {
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> =>
  read<T>(await send('GET', path, undefined, signal));
export const post = async <T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> =>
  read<T>(await send('POST', path, body, signal));
export const put = async <T>(path: string, body: unknown): Promise<T> => read<T>(await send('PUT', path, body));
export const patch = async <T>(path: string, body: unknown): Promise<T> =>
  read<T>(await send('PATCH', path, body));
export const remove = async <T>(path: string): Promise<T> => read<T>(await send('DELETE', path));

/** Fetches a file and has the browser keep it under the name that the floor gives it. */
export async function download(path: string): Promise<void> {
  const response = await send('GET', path);
  const name = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? 'watchfloor';
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A path with what narrows it; what is empty is left out. */
export function at(path: string, query: Record<string, string | number | null | undefined>): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  if (!pairs.length) return path;
  return `${path}?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`;
}

/** All pages of a list, up to a bound. */
export async function all<T>(path: string, query: Record<string, string | null> = {}, most = 5000): Promise<T[]> {
  const items: T[] = [];
  let after: string | null = null;
  do {
    const page: Page<T> = await get(at(path, { ...query, limit: 500, after }));
    items.push(...page.items);
    after = page.next;
  } while (after && items.length < most);
  return items;
}

export interface Answer {
  rows: Row[];
  /** Whether there were more than the limit let through. */
  cut: boolean;
  /** Milliseconds. */
  took: number;
}
export interface Question {
  since?: string;
  until?: string;
  limit?: number;
  /** The search that it is a stretch of: all its stretches are one line in the audit trail. */
  search?: string;
  signal?: AbortSignal;
}

/** The floor answers four questions at once, for everybody; a page asks two. */
const AT_ONCE = 2;
let asking = 0;
const waiting: (() => void)[] = [];

async function turn(): Promise<void> {
  if (asking >= AT_ONCE) await new Promise<void>((go) => waiting.push(go));
  asking += 1;
}
function done(): void {
  asking -= 1;
  waiting.shift()?.();
}
const pause = (seconds: number) => new Promise((go) => setTimeout(go, seconds * 1000));

async function question(path: string, body: object, signal?: AbortSignal): Promise<Answer> {
  await turn();
  try {
    signal?.throwIfAborted();
    const began = performance.now();
    for (let tries = 0; ; tries += 1) {
      try {
        const response = await send('POST', path, body, signal);
        const rows = (await response.json()) as Row[];
        return { rows, cut: response.headers.get('x-rows-cut') === 'true', took: performance.now() - began };
      } catch (error) {
        const busy = error instanceof Problem && error.status === 429 && tries < 4;
        if (!busy) throw error;
        await pause(0.4 * 2 ** tries);
        signal?.throwIfAborted();
      }
    }
  } finally {
    done();
  }
}

/** Asks all events in SQL. */
export function ask(sql: string, { since, until, limit, search, signal }: Question = {}): Promise<Answer> {
  return question('/query', { sql, since, until, limit, search }, signal);
}

/** Runs a saved hunt. */
export function hunt(name: string, set: Record<string, string>, q: Question = {}): Promise<Answer> {
  const { since, until, limit, signal } = q;
  return question(`/hunts/${encodeURIComponent(name)}`, { set, since, until, limit }, signal);
}

/** A text as SQL writes it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A sentence for whatever went wrong. */
export function sentence(error: unknown): string {
  if (error instanceof Problem) return [error.detail, ...error.hints].join('. ');
  return error instanceof Error ? error.message : String(error);
}
export const aborted = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';
