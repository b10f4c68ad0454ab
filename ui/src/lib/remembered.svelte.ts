// Searches: those that were made in this browser, and those that were given a name, which the floor keeps.
import { all, patch, post, remove } from './api';
import { live } from './live.svelte';
import { session } from './session.svelte';
import type { Search } from './types';

export interface Remembered {
  name: string;
  address: string;
  at: number;
}
/** Whether an address is one of a search: it becomes a link. */
const isSearch = (address: unknown): address is string => typeof address === 'string' && /^\/hunt(\?|$)/.test(address);
function read(key: string): Remembered[] {
  try {
    const list = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(list) ? list.filter((r) => isSearch(r?.address)) : [];
  } catch {
    return [];
  }
}
const MADE = 'watchfloor.history';
/** Where names were kept before the floor kept them. */
const NAMED = 'watchfloor.saved';

class Searches {
  made = $state.raw<Remembered[]>(read(MADE));
  named = $state.raw<Search[]>([]);

  add(name: string, address: string): void {
    if (this.made[0]?.address === address) return;
    this.made = [{ name, address, at: Date.now() }, ...this.made.filter((r) => r.address !== address)].slice(0, 60);
    localStorage.setItem(MADE, JSON.stringify(this.made));
  }

  /** Fetches what is kept, and again when something of it changes, until the returned function is called. */
  follow(wrong: (error: unknown) => void): () => void {
    const load = () => this.load().catch(wrong);
    void this.bring().then(load, wrong);
    return live.listen(['search'], () => void load());
  }
  private async load(): Promise<void> {
    const found = await all<Search>('/searches');
    this.named = found.filter((s) => isSearch(s.address)).sort((a, b) => a.name.localeCompare(b.name));
  }
  /** What this browser kept is given to the floor once. */
  private async bring(): Promise<void> {
    for (const { name, address } of read(NAMED)) await post('/searches', { name: name.slice(0, 300), address });
    localStorage.removeItem(NAMED);
  }

  async keep(name: string, address: string): Promise<void> {
    // One's own of the same name is replaced, and stays as visible as it was.
    const before = this.named.find((s) => s.name === name && s.owner === session.login);
    await post<Search>('/searches', { name, address, shared: before?.shared ?? false });
    await this.load();
  }
  async share(search: Search): Promise<void> {
    await patch(`/searches/${search.search_id}`, { shared: !search.shared, expected: search.version });
    await this.load();
  }
  async forget(search: Search): Promise<void> {
    await remove(`/searches/${search.search_id}`);
    await this.load();
  }
}

export const searches = new Searches();
