//! An incident told as a document; one file for each form.
//!
//! A [`Document`] is plain data that the caller fills; [`FORMS`] lists what it can become. Every
//! text in a document may come from an attacker: forms show it, never obey it. [`text`] makes it
//! fit to be shown (control and direction characters spelled out, length cut), and each form then
//! escapes it in its own way. The same document gives the same bytes.
//!
//! This room does no I/O, reads no clock and fetches nothing.

mod attack;
mod brief;
mod derive;
mod document;
mod html;
mod json;
mod markdown;
mod pdf;
pub mod text;
mod timeline;

pub use attack::technique_name;
pub use document::{
    AttackRow, Bucket, Case, Document, EntityRow, EvidenceRow, Figure, FlawRow, Indicator, Moment,
    Note, Point, RuleCount, RuleFacts, RuleProblem, RuleSet, SCHEMA, Span, Unread, Unrecognised,
    Version,
};

/// A form that a document can take: one row of [`FORMS`].
pub trait Form: Send + Sync {
    /// What people call it on the command line.
    fn name(&self) -> &'static str;
    /// One sentence for help texts.
    fn about(&self) -> &'static str;
    /// The usual ending of its files, without the dot.
    fn extension(&self) -> &'static str;
    /// Its media type.
    fn media_type(&self) -> &'static str;
    /// What a browser that shows it may do for it, as a Content-Security-Policy (CSP 3): nothing, unless a form
    /// brings styles and scripts of its own.
    fn policy(&self) -> String {
        "default-src 'none'".to_owned()
    }
    /// Renders the document.
    fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError>;
}

/// Every form, the one that most people want first.
pub static FORMS: &[&dyn Form] = &[&html::HtmlPage, &pdf::Pdf, &markdown::Markdown, &json::Json];

/// The form of that name.
pub fn form(name: &str) -> Option<&'static dyn Form> {
    FORMS.iter().copied().find(|form| form.name().eq_ignore_ascii_case(name))
}

/// Renders a document in the form of that name.
pub fn render(name: &str, document: &Document) -> Result<Vec<u8>, RenderError> {
    form(name).ok_or_else(|| RenderError::UnknownForm(text::clean(name, 40)))?.render(document)
}

/// Why a document could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// No form has that name.
    #[error("no report form is called `{0}`: choose one of html, pdf, markdown, json")]
    UnknownForm(String),
    /// The typesetter refused: a mistake in this room, never in the evidence.
    #[error("the PDF could not be set: {0}")]
    Typeset(String),
    /// The document could not be written as JSON.
    #[error("the report could not be written as JSON")]
    Json(#[from] serde_json::Error),
}
