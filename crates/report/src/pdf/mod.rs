//! The document as PDF, set by typst within this process.
//!
//! The template is fixed; what it shows comes to it as a JSON file that exists only in memory, and
//! stays data: no text from evidence is ever read as markup. The typesetter sees two files and two
//! font families, all of this program, and nothing else of the machine: no package, no clock.

mod data;

use std::sync::LazyLock;

use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, Timestamp};

use crate::document::Document;
use crate::{Form, RenderError};

/// The `pdf` form.
pub(crate) struct Pdf;

impl Form for Pdf {
    fn name(&self) -> &'static str {
        "pdf"
    }

    fn about(&self) -> &'static str {
        "Pages to print, mail and file: a summary first, then the details"
    }

    fn extension(&self) -> &'static str {
        "pdf"
    }

    fn media_type(&self) -> &'static str {
        "application/pdf"
    }

    fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        let desk = Desk::new(document)?;
        let set = typst::compile::<PagedDocument>(&desk)
            .output
            .map_err(|errors| trouble(&desk, &errors))?;
        let options = PdfOptions {
            ident: Smart::Custom(ident(document)),
            creator: Smart::Custom(Some("watchfloor".to_owned())),
            timestamp: made(document).map(Timestamp::new_utc),
            ..PdfOptions::default()
        };
        let bytes = typst_pdf::pdf(&set, &options).map_err(|errors| trouble(&desk, &errors));
        // What typst remembers between documents would only be ballast.
        typst::comemo::evict(0);
        bytes
    }
}

/// The same document has the same identifier; another has another.
fn ident(document: &Document) -> String {
    let mut hash = model::Hasher::new("report").number(document.generated_at.0 as u64);
    for case in &document.cases {
        hash = hash.part(&case.incident.incident_id.0);
    }
    for row in &document.evidence {
        hash = hash.part(&row.parcel.digest.0);
    }
    model::IncidentId::from(hash).to_string()
}

fn made(document: &Document) -> Option<Datetime> {
    let text = document.generated_at.written("%Y %m %d %H %M %S");
    let parts: Vec<u16> = text.split(' ').filter_map(|part| part.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = *parts.as_slice() else { return None };
    let small = |n: u16| u8::try_from(n).ok();
    Datetime::from_ymd_hms(
        i32::from(year),
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
    )
}

fn trouble(desk: &Desk, errors: &[SourceDiagnostic]) -> RenderError {
    let said: Vec<String> = errors
        .iter()
        .take(3)
        .map(|error| {
            let at = typst::WorldExt::range(desk, error.span).map_or(0, |range| {
                desk.template.text().get(..range.start).unwrap_or_default().lines().count()
            });
            format!("{} (line {at})", error.message)
        })
        .collect();
    RenderError::Typeset(said.join("; "))
}

/// Everything that the typesetter can see.
struct Desk {
    library: LazyHash<Library>,
    template: Source,
    data: (FileId, Bytes),
}

static FONTS: LazyLock<(LazyHash<FontBook>, Vec<Font>)> = LazyLock::new(|| {
    let wanted = ["Libertinus Serif", "DejaVu Sans Mono"];
    let fonts: Vec<Font> = typst_assets::fonts()
        .flat_map(|bytes| Font::iter(Bytes::new(bytes)))
        .filter(|font| wanted.contains(&font.info().family.as_str()))
        .collect();
    (LazyHash::new(FontBook::from_fonts(&fonts)), fonts)
});

/// Whether both font families can show a character: either may be asked to.
fn shows(c: char) -> bool {
    FONTS.1.iter().any(|font| font.info().coverage.contains(u32::from(c)))
}

impl Desk {
    fn new(document: &Document) -> Result<Self, RenderError> {
        let file = |name: &str| {
            VirtualPath::new(name)
                .map(|path| RootedPath::new(VirtualRoot::Project, path).intern())
                .map_err(|_| RenderError::Typeset(format!("`{name}` is no path")))
        };
        let json = serde_json::to_vec(&data::of(document, &shows))?;
        Ok(Self {
            library: LazyHash::new(Library::default()),
            template: Source::new(file("report.typ")?, include_str!("report.typ").to_owned()),
            data: (file("data.json")?, Bytes::new(json)),
        })
    }
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &FONTS.0
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.template.id() {
            Ok(self.template.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.data.0 { Ok(self.data.1.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.1.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}
