// What changes on the floor, as it changes (server-sent events).
import type { Change } from './types';

type Listener = (change: Change | null) => void;

class Live {
  /** Whether the stream is open. */
  on = $state(false);
  private source: EventSource | null = null;
  private listeners = new Set<Listener>();

  open(): void {
    if (this.source) return;
    const source = new EventSource('/api/v1/events');
    this.source = source;
    source.onopen = () => {
      this.on = true;
      // What happened before is not told: look at everything again.
      this.tell(null);
    };
    source.onerror = () => {
      this.on = false;
      if (source.readyState !== EventSource.CLOSED) return;
      this.source = null;
      setTimeout(() => this.wanted && this.open(), 3000);
    };
    source.addEventListener('change', (event) => this.tell(JSON.parse(event.data)));
    source.addEventListener('missed', () => this.tell(null));
  }

  close(): void {
    this.source?.close();
    this.source = null;
    this.on = false;
  }

  wanted = true;

  /** Calls for every change of these kinds, and with null when everything may have changed. */
  listen(kinds: string[], heard: Listener): () => void {
    const listener: Listener = (change) => {
      if (!change || kinds.includes(change.kind)) heard(change);
    };
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(change: Change | null): void {
    for (const listener of this.listeners) listener(change);
  }
}

export const live = new Live();

/** Calls at most once in a span, the last call included. */
export function calmly(run: () => void, span = 400): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let last = 0;
  return () => {
    if (timer) return;
    const wait = Math.max(0, last + span - Date.now());
    timer = setTimeout(() => {
      timer = null;
      last = Date.now();
      run();
    }, wait);
  };
}
