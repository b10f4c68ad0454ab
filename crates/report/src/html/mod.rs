//! The document as one self-contained HTML file: nothing is fetched, nothing from evidence runs.
//!
//! The content security policy in the page's head allows the one style sheet and the one small
//! script that are written here, by their hashes, and nothing else: even a mistake in the escaping
//! would not run. The page reads the same without the script, which only filters and sorts tables.

mod case;
mod lists;
mod picture;
mod writer;

use model::{Digest, Level};

use crate::brief::{Brief, level_caption, scope};
use crate::document::Document;
use crate::{Form, RenderError, text};
use writer::{Html, base64};

/// The `html` form.
pub(crate) struct HtmlPage;

/// Incidents told in full; the rest are listed.
const CASES: usize = 20;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

impl Form for HtmlPage {
    fn name(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "One self-contained page for any browser, with pictures and tables that filter"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn media_type(&self) -> &'static str {
        "text/html; charset=utf-8"
    }

    fn policy(&self) -> String {
        let hash = |text: &str| base64(&Digest::of(text.as_bytes()).0);
        let (style, script) = (hash(STYLE), hash(SCRIPT));
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; \
             form-action 'none'"
        )
    }

    fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        let mut html = Html::default();
        head(&mut html, document);
        html.raw("<body><a class=\"skip\" href=\"#main\">Skip to the report</a>");
        symbols(&mut html);
        html.raw("<div class=\"page\">");
        title(&mut html, document);
        contents(&mut html, document);
        html.raw("<main id=\"main\">");
        brief(&mut html, document);
        figures(&mut html, document);
        picture::section(&mut html, document);
        for (at, one) in document.cases.iter().take(CASES).enumerate() {
            case::section(&mut html, at + 1, document, one);
        }
        case::others(&mut html, document.cases.get(CASES..).unwrap_or_default());
        lists::sections(&mut html, document);
        html.raw("</main>");
        footer(&mut html, document);
        html.raw("</div><script>").raw(SCRIPT).raw("</script></body></html>\n");
        Ok(html.finish().into_bytes())
    }
}

fn head(html: &mut Html, document: &Document) {
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").prose(&HtmlPage.policy());
    html.raw("\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.raw("<meta name=\"referrer\" content=\"no-referrer\"><meta name=\"robots\" content=\"noindex\">");
    html.raw("<title>")
        .text(&document.title)
        .raw("</title><style>")
        .raw(STYLE)
        .raw("</style></head>");
}

/// Each level has a shape of its own: colour is never the only sign.
fn symbols(html: &mut Html) {
    html.raw(concat!(
        "<svg class=\"symbols\" aria-hidden=\"true\"><defs>",
        "<symbol id=\"m-critical\" viewBox=\"-8 -8 16 16\"><path fill=\"currentColor\" d=\"M0-8 8 0 0 8-8 0z\"/></symbol>",
        "<symbol id=\"m-high\" viewBox=\"-8 -8 16 16\"><path fill=\"currentColor\" d=\"M0-7 7.8 6.5H-7.8z\"/></symbol>",
        "<symbol id=\"m-medium\" viewBox=\"-8 -8 16 16\"><path fill=\"currentColor\" d=\"M-6-6H6V6H-6z\"/></symbol>",
        "<symbol id=\"m-low\" viewBox=\"-8 -8 16 16\"><circle fill=\"currentColor\" r=\"6.4\"/></symbol>",
        "<symbol id=\"m-informational\" viewBox=\"-8 -8 16 16\"><circle fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.4\" r=\"5.2\"/></symbol>",
        "</defs></svg>",
    ));
}

/// The class and symbol of a level: its stable name.
fn class(level: Level) -> &'static str {
    level.name()
}

fn mark(html: &mut Html, level: Level) {
    html.raw("<svg class=\"mk ").raw(class(level)).raw("\" role=\"img\" aria-label=\"");
    html.raw(level_caption(level)).raw("\"><use href=\"#m-").raw(class(level)).raw("\"/></svg>");
}

fn badge(html: &mut Html, level: Level) {
    html.raw("<span class=\"badge ")
        .raw(class(level))
        .raw("\"><svg class=\"mk\" aria-hidden=\"true\"><use href=\"#m-");
    html.raw(class(level)).raw("\"/></svg>").raw(level_caption(level)).raw("</span>");
}

fn title(html: &mut Html, document: &Document) {
    html.raw("<header class=\"top\"><p class=\"eyebrow\">Incident report</p><h1>")
        .text(&document.title);
    html.raw("</h1><p class=\"soft\">")
        .prose(&scope(document))
        .raw(" All times are UTC.</p></header>");
}

fn contents(html: &mut Html, document: &Document) {
    html.raw("<nav aria-label=\"Contents\"><ol><li><a href=\"#summary\">Summary</a></li>");
    if !document.figures.is_empty() {
        html.raw("<li><a href=\"#figures\">Key figures</a></li>");
    }
    if !document.timeline.is_empty() {
        html.raw("<li><a href=\"#timeline\">Timeline</a></li>");
    }
    for number in 1..=document.cases.len().min(CASES) as u64 {
        html.raw("<li><a href=\"#incident-").count(number).raw("\">Incident ").count(number);
        html.raw("</a></li>");
    }
    if document.cases.len() > CASES {
        html.raw("<li><a href=\"#incidents\">Other incidents</a></li>");
    }
    for (id, name) in lists::contents(document) {
        html.raw("<li><a href=\"#").raw(id).raw("\">").raw(name).raw("</a></li>");
    }
    html.raw("</ol></nav>");
}

fn brief(html: &mut Html, document: &Document) {
    let brief = Brief::of(document);
    html.raw("<section id=\"summary\" class=\"brief ").raw(brief.severity.map_or("none", class));
    html.raw("\"><div class=\"verdict-row\">");
    if let Some(severity) = brief.severity {
        mark(html, severity);
    }
    html.tagged(
        "<p class=\"verdict\">",
        &brief.verdict,
        "</p></div><div class=\"two\"><div><h2 class=\"eyebrow\">What happened</h2>",
    );
    if let Some(lead) = &brief.lead {
        html.tagged("<p class=\"lead\">", lead, "</p>");
    }
    for text in &brief.what {
        html.tagged("<p>", text, "</p>");
    }
    if !brief.steps.is_empty() {
        html.raw("<ol class=\"steps\">");
        for (moment, told) in &brief.steps {
            html.raw("<li><time>").text(&moment.time.written("%-d %b %H:%M")).raw("</time>");
            mark(html, moment.level);
            html.tagged("<span>", told, "</span></li>");
        }
        html.raw("</ol>");
    }
    html.raw("</div><div><h2 class=\"eyebrow\">How bad it is</h2>");
    let (first, rest) = brief.how_bad.split_at(brief.how_bad.len().min(1));
    if let (Some(case), Some(text)) = (document.cases.first(), first.first()) {
        html.raw("<div class=\"bad\">");
        case::ring(html, &case.incident);
        html.tagged("<p>", text, "</p></div>");
    }
    let texts = if document.cases.is_empty() { first } else { rest };
    for text in texts {
        html.tagged("<p>", text, "</p>");
    }
    if !brief.gaps.is_empty() {
        html.raw("<div class=\"gaps\"><b>What this report cannot see</b><ul>");
        for gap in &brief.gaps {
            html.tagged("<li>", gap, "</li>");
        }
        html.raw("</ul></div>");
    }
    html.raw("</div></div><div class=\"todo\"><h2 class=\"eyebrow\">What to do</h2>");
    html.raw(if brief.actions.len() > 1 { "<ol class=\"do wide\">" } else { "<ol class=\"do\">" });
    for action in &brief.actions {
        step(html, action);
    }
    html.raw("</ol></div>");
    html.raw("</section>");
}

/// One step; the CSF subcategory at its end becomes a small label.
fn step(html: &mut Html, step: &str) {
    let (text, csf) = text::split_csf(step);
    html.raw("<li>").prose(text);
    if let Some(csf) = csf {
        html.raw("<span class=\"csf\" title=\"NIST CSF 2.0\">").text(csf).raw("</span>");
    }
    html.raw("</li>");
}

fn figures(html: &mut Html, document: &Document) {
    if document.figures.is_empty() {
        return;
    }
    html.raw("<section id=\"figures\"><h2>Key figures</h2><dl class=\"figures\">");
    for figure in &document.figures {
        html.raw("<div class=\"figure\"><dt>").text(&figure.label).raw("</dt><dd class=\"value\">");
        html.text(&figure.value).raw("</dd>");
        if !figure.note.is_empty() {
            html.tagged("<dd class=\"soft small\">", &figure.note, "</dd>");
        }
        if !figure.query.is_empty() {
            html.raw("<dd><details><summary>Query</summary><pre>")
                .block(&figure.query, text::PROSE);
            html.raw("</pre></details></dd>");
        }
        html.raw("</div>");
    }
    html.raw("</dl></section>");
}

fn footer(html: &mut Html, document: &Document) {
    html.raw("<footer><p>Made ").text(&document.generated_at.table()).raw(" UTC");
    for version in &document.versions {
        html.raw(" · ").text(&version.name).raw(" ").text(&version.version);
    }
    html.raw("</p></footer>");
}
