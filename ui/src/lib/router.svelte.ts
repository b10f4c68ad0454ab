// Where one is: the path and what narrows it, all in the address, so that Back is one step back. Each
// place in the history has a key, under which a page can keep what is no part of the address: how far
// it was scrolled, and which row was chosen.

/** What an address says, also where somebody mangled it. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const kept = new Map<string, Record<string, unknown>>();
let serial = 0;

function keyOf(state: unknown): string {
  if (state && typeof state === 'object' && 'key' in state) return String(state.key);
  const key = `${Date.now()}-${(serial += 1)}`;
  history.replaceState({ key }, '');
  return key;
}

class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  key = $state(keyOf(history.state));
  query = $derived(new URLSearchParams(this.search));
  parts = $derived(this.path.split('/').filter(Boolean).map(decoded));

  constructor() {
    history.scrollRestoration = 'manual';
    addEventListener('popstate', () => this.read());
  }

  private read(): void {
    this.path = location.pathname;
    this.search = location.search;
    this.key = keyOf(history.state);
  }

  /** Goes to an address within the pages. */
  go(address: string, replace = false): void {
    if (address === location.pathname + location.search) return;
    const key = replace ? this.key : `${Date.now()}-${(serial += 1)}`;
    history[replace ? 'replaceState' : 'pushState']({ key }, '', address);
    this.read();
  }

  /** Changes what narrows the page; null takes away. */
  narrow(change: Record<string, string | null>, replace = false): void {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(change)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    this.go(location.pathname + (text ? `?${text}` : ''), replace);
  }

  back(): void {
    history.back();
  }

  /** What this place in the history keeps. */
  kept<T>(name: string): T | undefined {
    return kept.get(this.key)?.[name] as T | undefined;
  }
  keep(name: string, value: unknown, key = this.key): void {
    const place = kept.get(key) ?? {};
    place[name] = value;
    kept.set(key, place);
  }
}

export const router = new Router();

/** Clicks on links stay within the pages. */
export function links(event: MouseEvent): void {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = (event.target as Element).closest?.('a');
  const href = link?.getAttribute('href');
  if (!link || !href?.startsWith('/') || href.startsWith('/api/') || link.target) return;
  event.preventDefault();
  router.go(href);
}

export const address = (path: string, query: Record<string, string | null | undefined> = {}): string => {
  const pairs = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
};
