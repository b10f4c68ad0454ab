// The alerts of a filter: fetched, kept up with changes, and decided on. A decision shows at once; when
// somebody was faster it is taken back and said.
import { Problem, at, get, patch, post, sentence } from './api';
import { session } from './session.svelte';
import { toasts } from './toasts.svelte';
import type { AlertRow, AlertStatus, Facets, Level, Page } from './types';

export interface Decision {
  status?: AlertStatus;
  owner?: string | null;
  severity?: Level | null;
}
/** What narrows the list, as the API names it. */
export const FILTERS = ['state', 'level', 'owner', 'rule', 'source', 'entity', 'text', 'incident', 'suppressed', 'order'];
const PAGE = 100;

export function filterOf(query: URLSearchParams): Record<string, string | null> {
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  if (!filter.state) filter.state = 'new';
  if (filter.state === 'any') filter.state = null;
  return filter;
}

const id = (row: AlertRow) => row.alert.alert_id;

export class Alerts {
  rows = $state.raw<AlertRow[]>([]);
  facets = $state.raw<Facets | null>(null);
  /** Came since the page was opened. */
  fresh = $state.raw(new Set<string>());
  marked = $state.raw(new Set<string>());
  wrong = $state('');
  loaded = $state(false);
  private next: string | null = null;
  more = $state(false);
  private filter: Record<string, string | null> = {};
  private turn = 0;
  private seen: Set<string> | null = null;

  async load(filter: Record<string, string | null>): Promise<void> {
    const same = JSON.stringify(filter) === JSON.stringify(this.filter);
    this.filter = filter;
    if (!same) {
      this.marked = new Set();
      this.seen = null;
      this.fresh = new Set();
    }
    const turn = (this.turn += 1);
    const { order: _order, ...counted } = filter;
    try {
      const [page, facets] = await Promise.all([
        this.fetch(filter, same ? this.rows.length : 0),
        get<Facets>(at('/alerts/facets', counted)),
      ]);
      if (turn !== this.turn) return;
      if (this.seen) {
        const came = page.items.filter((row) => !this.seen?.has(id(row))).map(id);
        if (came.length) this.fresh = new Set([...this.fresh, ...came]);
      }
      this.seen = new Set([...(this.seen ?? []), ...page.items.map(id)]);
      this.rows = page.items;
      this.next = page.next;
      this.more = page.next !== null;
      this.facets = facets;
      this.wrong = '';
    } catch (error) {
      if (turn === this.turn) this.wrong = sentence(error);
    }
    if (turn === this.turn) this.loaded = true;
  }

  /** The first rows, as many as there were: whoever has gone down the list stays where they are. */
  private async fetch(filter: Record<string, string | null>, many: number): Promise<Page<AlertRow>> {
    const items: AlertRow[] = [];
    let after: string | null = null;
    do {
      const limit = Math.min(500, Math.max(PAGE, many - items.length));
      const page: Page<AlertRow> = await get(at('/alerts', { ...filter, limit, after }));
      items.push(...page.items);
      after = page.next;
    } while (after && items.length < many);
    return { items, next: after };
  }

  async further(): Promise<void> {
    if (!this.next) return;
    const turn = this.turn;
    const after = this.next;
    this.next = null;
    let page: Page<AlertRow>;
    try {
      page = await get<Page<AlertRow>>(at('/alerts', { ...this.filter, limit: PAGE, after }));
    } catch (error) {
      // It is asked for again when somebody goes on.
      if (turn === this.turn) {
        this.next = after;
        this.wrong = sentence(error);
      }
      return;
    }
    if (turn !== this.turn) return;
    const known = new Set(this.rows.map(id));
    this.rows = [...this.rows, ...page.items.filter((row) => !known.has(id(row)))];
    for (const row of page.items) this.seen?.add(id(row));
    this.next = page.next;
    this.more = page.next !== null;
  }

  mark(alert: string): void {
    const marked = new Set(this.marked);
    if (!marked.delete(alert)) marked.add(alert);
    this.marked = marked;
  }

  private replace(row: AlertRow): void {
    this.rows = this.rows.map((other) => (id(other) === id(row) ? row : other));
  }

  /** Decides on one alert or, in one request, on several; those that leave the list by it are gone at once. Whether
   * it went through. */
  async decide(rows: AlertRow[], decision: Decision, said: string, leaves = false): Promise<boolean> {
    if (!rows.length) return false;
    const { rows: before, turn } = this;
    if (leaves) {
      const gone = new Set(rows.map(id));
      this.rows = this.rows.filter((row) => !gone.has(id(row)));
    }
    for (const row of rows) this.replace({ ...row, ...decision, level: decision.severity ?? row.level });
    const undo: Decision = {};
    const [one] = rows;
    if (one && rows.length === 1) {
      if (decision.status) undo.status = one.status;
      if (decision.owner !== undefined) undo.owner = one.owner;
      if (decision.severity !== undefined) undo.severity = one.severity;
    }
    try {
      if (one && rows.length === 1) {
        const now = await patch<AlertRow>(`/alerts/${id(one)}`, { expected: one.version, ...decision });
        this.replace(now);
        toasts.say(said, { name: 'Undo', run: () => void this.decide([now], undo, 'Undone') });
        return true;
      }
      const alerts = rows.map((row) => ({ alert_id: id(row), expected: row.version }));
      const done = await post<{ items: { alert_id: string; alert?: AlertRow; error?: string }[] }>('/alerts/bulk', {
        alerts,
        change: decision,
      });
      const failed = done.items.filter((item) => item.error);
      for (const item of done.items) if (item.alert) this.replace(item.alert);
      for (const item of failed) this.back(rows, item.alert_id);
      this.marked = new Set(failed.map((item) => item.alert_id));
      toasts.say(`${said} (${rows.length - failed.length})`);
      if (failed.length) toasts.say(`${failed.length} stayed as they were: ${failed[0]?.error}`, undefined, true);
      return true;
    } catch (error) {
      // As it was before, unless the list was fetched anew meanwhile.
      if (turn === this.turn) this.rows = before;
      else for (const row of rows) this.back(rows, id(row));
      if (error instanceof Problem && error.status === 409 && one) {
        const now = await get<AlertRow>(`/alerts/${id(one)}`).catch(() => one);
        this.replace(now);
        const whose = now.owner && now.owner !== session.login ? `; it is ${now.owner}'s` : '';
        const stands = now.status.state.replace('_', ' ');
        toasts.say(`Somebody was faster: the alert is ${stands} now${whose}. Nothing was changed.`, undefined, true);
      } else toasts.wrong(error, 'Nothing was changed');
      void this.load(this.filter);
      return false;
    }
  }

  private back(rows: AlertRow[], alert: string): void {
    const before = rows.find((row) => id(row) === alert);
    if (before) this.replace(before);
  }
}
