// Keys. Whoever is shown says what its keys do; the overlay lists what is said, so it is never out of
// date. What was said last comes first: a pane's Escape before its page's.

export interface Key {
  /** As `event.key` names it, with `ctrl+` before it; two letters with a space are one after the other. */
  key: string;
  /** What it does. */
  about: string;
  run: (event: KeyboardEvent) => void;
  /** Also while somebody types. */
  typing?: boolean;
  /** Not listed. */
  silent?: boolean;
}
export interface Group {
  title: string;
  keys: Key[];
}

class Keys {
  groups = $state.raw<Group[]>([]);
  /** The same, for whoever must not listen to it. */
  private all: Group[] = [];
  private first = '';
  private firstAt = 0;

  /** Says what keys do until the returned function is called. */
  say(title: string, keys: Key[]): () => void {
    const group = { title, keys };
    this.groups = this.all = [...this.all, group];
    return () => {
      this.groups = this.all = this.all.filter((other) => other !== group);
    };
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const typing = isTyping(event.target);
    const ctrl = event.ctrlKey || event.metaKey;
    const name = (ctrl ? 'ctrl+' : '') + (event.key.length === 1 && ctrl ? event.key.toLowerCase() : event.key);
    const pair = Date.now() - this.firstAt < 1200 ? `${this.first} ${name}` : '';
    const on = event.target as HTMLElement | null;
    const pressable = (name === 'Enter' || name === ' ') && on?.closest?.('button, a, summary, select');
    if (pressable) return;
    for (const wanted of pair ? [pair, name] : [name]) {
      for (const group of [...this.all].reverse()) {
        const found = group.keys.find((key) => key.key === wanted && (!typing || key.typing));
        if (found) {
          event.preventDefault();
          this.first = '';
          found.run(event);
          return;
        }
      }
    }
    if (!typing && !ctrl && event.key.length === 1) {
      this.first = event.key;
      this.firstAt = Date.now();
    }
  }
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.shadowRoot || target.isContentEditable) return true;
  return target.matches('input:not([type=checkbox]):not([type=radio]), textarea, select');
}

export const keys = new Keys();
