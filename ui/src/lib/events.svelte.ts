// What a search over events found: counts over time, rows page by page as they are looked at, facets.
import { aborted, sentence } from './api';
import { facets, firstRows, histogram, rowsAt, type Histogram, type Order, type Search, type Shown } from './search';
import type { Row } from './types';

const PAGE = 200;
/** Pages that are kept; those looked at last. */
const KEPT = 40;
/** Pages that are asked for at once. */
const AT_ONCE = 2;
/** How long a place far from the last must be looked at before its rows are fetched, in ms: whoever draws the
 * scroll bar passes over most of them. */
const REST = 60;

/** What is counted where nothing was found. */
const none = ({ window }: Search): Histogram => ({
  step: window.to - window.from,
  buckets: [{ at: window.from, bands: {}, total: 0 }],
  bands: [],
  total: 0,
});

export class Events {
  counts = $state.raw<Histogram | null>(null);
  facets = $state.raw<Record<string, { value: string; n: number }[]>>({});
  wrong = $state('');
  /** While no row is there, and there may be some. */
  busy = $state(false);
  /** Up to where the window was looked through for the first rows, while that goes on. */
  looked = $state<number | null>(null);
  /** The first rows, which tell what there is to show. */
  head = $state.raw<Row[]>([]);
  took = $state(0);
  /** Changes when rows came. */
  round = $state(0);
  total = $derived(this.counts?.total ?? 0);
  private pages = new Map<number, Row[]>();
  private fetching = new Set<number>();
  private wanted: [number, number] = [0, 0];
  private rest: ReturnType<typeof setTimeout> | undefined;
  private stop = new AbortController();
  private search: Search | null = null;
  private columns: Shown[] = [];
  private order: Order = 'latest';

  async load(search: Search, columns: Shown[], order: Order, band: string, faceted: string[]): Promise<void> {
    this.stop.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.search = search;
    this.columns = columns;
    this.order = order;
    this.pages = new Map();
    this.fetching = new Set();
    this.wanted = [0, 0];
    clearTimeout(this.rest);
    this.counts = null;
    this.wrong = '';
    this.busy = true;
    this.looked = null;
    this.head = [];
    this.round += 1;
    const began = performance.now();
    try {
      for await (const { rows, looked } of firstRows(search, columns, order, PAGE, signal)) {
        this.looked = looked;
        if (!rows.length) continue;
        if (this.busy) this.took = performance.now() - began;
        this.head = [...this.head, ...rows];
        this.pages.set(0, this.head);
        this.busy = false;
        this.round += 1;
      }
      this.looked = null;
      this.busy = false;
      if (!this.head.length) this.took = performance.now() - began;
      // Nothing of this may stand in the way of the first rows.
      this.counts = this.head.length ? await histogram(search, band, signal) : none(search);
      this.facets = faceted.length && this.total ? await facets(search, faceted, this.total, signal) : {};
    } catch (error) {
      if (aborted(error)) return;
      this.wrong = sentence(error);
      if (!this.counts) this.facets = {};
      this.looked = null;
      this.busy = false;
      this.stop.abort();
    }
  }

  end(): void {
    clearTimeout(this.rest);
    this.stop.abort();
  }

  row(n: number): Row | undefined {
    void this.round;
    return this.pages.get(Math.floor(n / PAGE))?.[n % PAGE];
  }
  /** Rows that can be told of: those that are counted, or that came before the count. */
  get length(): number {
    void this.round;
    return this.counts ? this.counts.total : (this.pages.get(0)?.length ?? 0);
  }

  /** Sees to it that these rows come. What was wanted before and is not wanted any more is not fetched. */
  need(first: number, last: number): void {
    const [before] = this.wanted;
    this.wanted = [Math.floor(first / PAGE), Math.floor(last / PAGE)];
    clearTimeout(this.rest);
    if (Math.abs(this.wanted[0] - before) > 1) this.rest = setTimeout(() => this.fetch(), REST);
    else this.fetch();
  }

  private fetch(): void {
    const { search, counts } = this;
    const { signal } = this.stop;
    if (!search || !counts || signal.aborted) return;
    for (let page = this.wanted[0]; page <= this.wanted[1] && this.fetching.size < AT_ONCE; page += 1) {
      if (this.pages.has(page) || this.fetching.has(page) || page * PAGE >= counts.total) continue;
      this.fetching.add(page);
      rowsAt(search, counts, this.columns, this.order, page * PAGE, PAGE, signal)
        .then((rows) => {
          if (!signal.aborted) this.keep(page, rows);
        })
        .catch((error) => {
          if (!aborted(error)) this.wrong = sentence(error);
          // It is not asked for again and again.
          if (!signal.aborted) this.pages.set(page, []);
        })
        .finally(() => {
          if (signal.aborted) return;
          this.fetching.delete(page);
          this.fetch();
        });
    }
  }

  private keep(page: number, rows: Row[]): void {
    this.pages.set(page, rows);
    if (this.pages.size > KEPT) {
      const oldest = [...this.pages.keys()].find((key) => Math.abs(key - page) > 4);
      if (oldest !== undefined) this.pages.delete(oldest);
    }
    this.round += 1;
  }
}
