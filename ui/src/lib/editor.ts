// The editor for SQL and rules, fetched when it is first needed. It stands in a shadow root, where its
// styles are sheets of its own: a page under our policy may have no inline ones.
import { autocompletion, completionKeymap, type CompletionContext } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { sql, StandardSQL } from '@codemirror/lang-sql';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorState, StateEffect, StateField } from '@codemirror/state';
import { Decoration, drawSelection, EditorView, keymap, lineNumbers, placeholder, type DecorationSet } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { OWN } from './filter';
import type { Words } from './types';

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
  '.cm-placeholder': { color: 'var(--muted)' },
});
const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--lane-2)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--lane-1)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--lamp)' },
  { tag: tags.comment, color: 'var(--muted)' },
]);

const setMistake = StateEffect.define<{ from: number; to: number } | null>();
const mistake = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(setMistake)) continue;
      if (!effect.value) return Decoration.none;
      const { from, to } = effect.value;
      return Decoration.set([Decoration.mark({ class: 'cm-mistake' }).range(from, to)]);
    }
    return transaction.docChanged ? Decoration.none : marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const TABLES = ['events', 'findings', 'alerts', 'incidents', 'matches', 'parcels', 'flaws', 'unrecognised', 'runs'];

function words(told: Words) {
  const options = [
    ...TABLES.map((label) => ({ label, type: 'class', detail: 'table' })),
    ...told.columns.map((c) => ({ label: c.name, type: 'property', detail: c.kind, boost: c.pivot ? 2 : 0 })),
    ...OWN.map((label) => ({ label, type: 'property' })),
    ...told.functions.map((f) => ({ label: f.call.split('(')[0] ?? '', type: 'function', detail: f.call, info: f.about })),
  ];
  return (context: CompletionContext) => {
    const word = context.matchBefore(/[A-Za-z_]\w*$/);
    if (!word && !context.explicit) return null;
    return { from: word?.from ?? context.pos, options, validFor: /^\w*$/ };
  };
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
  /** Shows where a mistake is: line and column from 1, and how many characters. */
  mistake: (at: { line: number; column: number; length: number } | null) => void;
  focus: () => void;
  destroy: () => void;
}

export function edit(host: HTMLElement, text: string, told: Words, run: () => void, changed: (text: string) => void): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  root.replaceChildren();
  const keys = [{ key: 'Mod-Enter', run: () => (run(), true) }, { key: 'Escape', run: (v: EditorView) => (v.contentDOM.blur(), true) }];
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        keymap.of([keys[0]!]),
        lineNumbers(),
        history(),
        drawSelection(),
        bracketMatching(),
        sql({ dialect: StandardSQL, upperCaseKeywords: true }),
        StandardSQL.language.data.of({ autocomplete: words(told) }),
        autocompletion({ icons: false }),
        mistake,
        looks,
        syntaxHighlighting(colours),
        placeholder('SELECT …'),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': 'SQL' }),
        typed,
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed(update.state.doc.toString());
        }),
        keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap, keys[1]!, indentWithTab]),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (next) => {
      if (next !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } });
    },
    mistake: (at) => {
      let span: { from: number; to: number } | null = null;
      if (at && at.line <= view.state.doc.lines && view.state.doc.length) {
        const line = view.state.doc.line(Math.max(1, at.line));
        const from = Math.min(line.from + at.column - 1, Math.max(line.from, line.to - 1));
        span = { from, to: Math.max(from + 1, Math.min(from + at.length, line.to)) };
        if (span.to > view.state.doc.length) span = null;
      }
      view.dispatch({ effects: setMistake.of(span) });
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
