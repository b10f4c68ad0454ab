// What all editors have in common. An editor stands in a shadow root, where its styles are sheets of its own: a
// page under our policy may have no inline ones.
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorState, StateEffect, StateField, type Extension } from '@codemirror/state';
import { Decoration, drawSelection, EditorView, keymap, lineNumbers, type DecorationSet, type KeyBinding } from '@codemirror/view';
import { tags } from '@lezer/highlight';

const looks = EditorView.theme({
  '&': { color: 'var(--ink)', backgroundColor: 'var(--bg)', fontSize: '13px', height: '100%' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--accent)', padding: '6px 0' },
  '.cm-gutters': { backgroundColor: 'var(--bg)', color: 'var(--muted)', border: '0' },
  // Over the gutter as well, which an outline goes beneath.
  '&.cm-focused': { outline: 'none' },
  '&.cm-focused::after': { content: '""', position: 'absolute', inset: '0', zIndex: '300', border: '2px solid var(--accent)', pointerEvents: 'none' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--accent-dim)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--line-strong)', color: 'var(--ink)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-dim)', color: 'var(--ink)' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal' },
  '.cm-mistake': { textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '4px', backgroundColor: 'var(--critical-dim)' },
  '.cm-oddity': { textDecoration: 'underline dotted var(--soft)', textUnderlineOffset: '4px' },
  '.cm-placeholder': { color: 'var(--muted)' },
});
const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--lane-2)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--lane-1)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--lamp)' },
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: 'var(--lane-2)' },
  { tag: tags.comment, color: 'var(--muted)' },
]);

/** A place in the text: line and column from 1, and how many characters. */
export interface Spot {
  line: number;
  column: number;
  length: number;
  /** False for what is odd and no mistake. */
  wrong?: boolean;
}

const setMarks = StateEffect.define<DecorationSet>();
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(known, transaction) {
    for (const effect of transaction.effects) if (effect.is(setMarks)) return effect.value;
    return known.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Where a spot is in a text; none when the text has no such place. */
function range(view: EditorView, at: Spot): { from: number; to: number } | null {
  const { doc } = view.state;
  if (at.line > doc.lines || !doc.length) return null;
  const line = doc.line(Math.max(1, at.line));
  const from = Math.min(line.from + at.column - 1, Math.max(line.from, line.to - 1));
  const to = Math.max(from + 1, Math.min(from + at.length, line.to));
  return to > doc.length ? null : { from, to };
}

/** Browsers that type over a selection carry its style along as an inline one, which our policy forbids. */
const typed = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== 'insertText' || event.data === null || view.state.selection.main.empty) return false;
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: 'input.type', scrollIntoView: true });
    event.preventDefault();
    return true;
  },
});

export interface Editor {
  text: () => string;
  set: (text: string) => void;
  /** Marks where something is wrong. */
  mark: (spots: Spot[]) => void;
  /** Goes to a place. */
  go: (at: Spot) => void;
  focus: () => void;
  destroy: () => void;
}

/** Makes an editor. `first` keys come before its own, `last` ones after those of its language. */
export function make(host: HTMLElement, text: string, label: string, language: Extension, changed: (text: string) => void, first: KeyBinding[], last: KeyBinding[] = []): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  root.replaceChildren();
  const leave = { key: 'Escape', run: (v: EditorView) => (v.contentDOM.blur(), true) };
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        keymap.of(first),
        lineNumbers(),
        history(),
        drawSelection(),
        bracketMatching(),
        language,
        marks,
        looks,
        syntaxHighlighting(colours),
        EditorView.lineWrapping,
        // Said although it holds anyway: what judges accessibility goes by it.
        EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
        typed,
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed(update.state.doc.toString());
        }),
        keymap.of([...last, ...defaultKeymap, ...historyKeymap, leave, indentWithTab]),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (next) => {
      if (next !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } });
    },
    mark: (spots) => {
      const found = spots.flatMap((spot) => {
        const at = range(view, spot);
        return at ? [Decoration.mark({ class: spot.wrong === false ? 'cm-oddity' : 'cm-mistake' }).range(at.from, at.to)] : [];
      });
      view.dispatch({ effects: setMarks.of(Decoration.set(found, true)) });
    },
    go: (spot) => {
      const at = range(view, spot);
      if (at) view.dispatch({ selection: { anchor: at.from }, scrollIntoView: true });
      view.focus();
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
