// Pivoting: from any value, wherever it is shown, to everything that is known of it. One menu and one
// stack of panes for all surfaces. The stack is in the address, so Back and Escape take one step.
import { columnsOf, narrowed, type How } from './filter';
import { address, decoded, router } from './router.svelte';
import { session } from './session.svelte';
import type { Entity, EntityKind } from './types';

export interface Subject {
  value: string;
  /** The column that it stands in, or the name of a kind. */
  field?: string;
  kind?: EntityKind;
}

/** What a search page does with values; elsewhere they begin a search. */
export interface Surface {
  narrow: (field: string | null, value: string, how: How) => void;
  stack: (field: string) => void;
}

class Pivot {
  menu = $state<{ subject: Subject; x: number; y: number; from: HTMLElement } | null>(null);
  surface: Surface | null = null;
  panes = $derived(
    (router.query.get('pane') ?? '')
      .split('~')
      .filter(Boolean)
      .map((text) => readEntity(decoded(text)))
      .filter((entity) => entity !== null),
  );

  open(subject: Subject, event: Event): void {
    const from = event.currentTarget as HTMLElement;
    const box = from.getBoundingClientRect();
    this.menu = { subject, x: box.left, y: box.bottom, from };
  }
  close(focus = true): void {
    if (focus) this.menu?.from.focus({ preventScroll: true });
    this.menu = null;
  }

  /** Looks closer, in a pane on top of what is there. */
  look(entity: Entity): void {
    const last = this.panes[this.panes.length - 1];
    if (last && last.kind === entity.kind && last.value === entity.value) return;
    this.set([...this.panes, entity]);
  }
  /** Takes the uppermost pane away. */
  pop(): void {
    if (router.kept<boolean>('pushed')) router.back();
    else this.set(this.panes.slice(0, -1));
  }
  clear(): void {
    this.set([]);
  }
  private set(panes: Entity[]): void {
    const text = panes.map((e) => encodeURIComponent(`${e.kind}:${e.value}`)).join('~');
    const deeper = panes.length > this.panes.length;
    router.narrow({ pane: text || null });
    if (deeper) router.keep('pushed', true);
  }

  narrow(field: string | null, value: string, how: How): void {
    if (this.surface) this.surface.narrow(field, value, how);
    else router.go(address('/hunt', { q: narrowed('', field, value, how), show: 'events', span: '30d' }));
  }
  stack(field: string, value?: string): void {
    if (this.surface) this.surface.stack(field);
    else router.go(address('/hunt', { q: value ? narrowed('', field, value, 'only') : '', stack: field, span: '30d' }));
  }
}

export const pivot = new Pivot();

export function readEntity(text: string): Entity | null {
  const at = text.indexOf(':');
  const kind = text.slice(0, at);
  return at > 0 && /^[a-z]+$/.test(kind) ? { kind: kind as EntityKind, value: text.slice(at + 1) } : null;
}

/** The kind of entity that a value of a column is. */
export function kindOf(subject: Subject): EntityKind | undefined {
  if (subject.kind) return subject.kind;
  if (!subject.field) return undefined;
  const columns = columnsOf(subject.field, session.words.columns);
  const entity = columns?.entity;
  // A host that is written as an address is an address.
  const numeric = /^(\d{1,3}\.){3}\d{1,3}$|^[\da-f]*:[\da-f:.]+$/i.test(subject.value);
  return numeric && (entity === 'host' || entity === 'domain') ? 'address' : entity;
}

/** A text made unclickable, for a message to somebody. */
export function defanged(text: string): string {
  return text.replace(/^http/i, 'hxxp').replaceAll('.', '[.]').replaceAll('@', '[@]');
}
