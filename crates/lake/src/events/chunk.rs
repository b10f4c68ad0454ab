//! One column of one row group as Parquet has it: a dictionary where values repeat, pages, the bounds
//! of each page, a bloom filter where people look for single values.
//!
//! The library's own writer takes arrays, looks at every value several times and begins anew with each
//! column of each row group, of which there are three hundred, most of them empty. This one looks at
//! distinct values once and keeps its memory. The library writes everything around the values: page
//! headers, metadata, indexes, the file.

use bytes::Bytes;
use deltalake::parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use deltalake::parquet::bloom_filter::Sbbf;
use deltalake::parquet::column::page::{CompressedPage, Page as FilePage, PageWriter as _};
use deltalake::parquet::column::writer::ColumnCloseResult;
use deltalake::parquet::errors::{ParquetError, Result};
use deltalake::parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use deltalake::parquet::file::statistics::Statistics;
use deltalake::parquet::file::writer::{SerializedPageWriter, TrackedWrite};

use super::bounds::{greatest_of, least_of, statistics};
use super::encode;
use super::gather::{Gathered, Values};
use super::order::Ordered;
use super::part::{Layout, Page, Part};
use super::plan::{Kind, Plan};
use super::press::{Effort, Press};
use super::spell::{encoding_of, spell, spell_levels, spell_nothing, spell_plain};

/// Bytes of a single value that is not worth the work of packing, neither here nor for a reader.
const SMALL: usize = 256;
/// A column of a row group, ready for the file.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// What one thread lays columns down with. The memory is kept from column to column.
pub(super) struct Encoder {
    gathered: Gathered,
    part: Part,
    press: Press,
    levels: Vec<u32>,
    page: Vec<u8>,
}

impl Encoder {
    /// Takes up its tools.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            gathered: Gathered::default(),
            part: Part::default(),
            press: Press::new()?,
            levels: Vec::new(),
            page: Vec::new(),
        })
    }

    /// Lays a column down: a chunk for each part, or nothing where the part has no value of it.
    pub(super) fn column(
        &mut self,
        plan: &Plan,
        ordered: &Ordered<'_>,
    ) -> Result<Vec<Option<Chunk>>> {
        let Self { gathered, part, press, levels, page } = self;
        gathered.fill(plan, ordered);
        let values = gathered.values(plan, ordered);
        part.begin(&values);
        // What is found out with the first page of texts holds for the column's other parts.
        let mut texts = Effort::Tried;
        let mut chunks = Vec::with_capacity(ordered.parts.len());
        for place in &ordered.parts {
            let ids = gathered.ids.get(place.rows.clone()).unwrap_or_default();
            part.fill(plan, &values, ids, gathered.once);
            let lacking = ids.len() - part.ids.len();
            if lacking > 0 && !plan.may_lack() {
                let name = plan.column.name();
                return Err(ParquetError::General(format!("an event has no `{name}`")));
            }
            if part.ids.is_empty() {
                chunks.push(None);
                continue;
            }
            let layout = part.layout(plan, &values);
            let (press, levels, page) = (&mut *press, &mut *levels, &mut *page);
            let texts = &mut texts;
            let writing =
                Writing { plan, values: &values, part, layout, texts, press, levels, page };
            chunks.push(Some(writing.chunk(ids)?));
        }
        Ok(chunks)
    }
}

/// A chunk in the making.
struct Writing<'w> {
    plan: &'w Plan,
    values: &'w Values<'w>,
    part: &'w Part,
    layout: Layout,
    /// The effort that texts are worth that do not repeat: they are most of a lake, but only some of
    /// them are worth much work.
    texts: &'w mut Effort,
    press: &'w mut Press,
    levels: &'w mut Vec<u32>,
    page: &'w mut Vec<u8>,
}

impl Writing<'_> {
    fn chunk(self, ids: &[u32]) -> Result<Chunk> {
        let Self { plan, values, part, layout, .. } = self;
        let is_text = plan.stuff.is_text() && layout == Layout::Plain;
        let mut pages = Pages::new(plan, if is_text { *self.texts } else { Effort::Usual });
        let dictionary = part.dictionary.as_slice();
        if layout == Layout::Dictionary {
            self.page.clear();
            spell_plain(plan.stuff, values, dictionary, self.page);
            if dictionary.len() == 1 && self.page.len() <= SMALL {
                pages.effort = Effort::None;
            }
            let buf = self.press.pack(self.page, &mut pages.effort)?;
            let (num_values, encoding) = (dictionary.len() as u32, Encoding::PLAIN);
            let page = FilePage::DictionaryPage { buf, num_values, encoding, is_sorted: false };
            pages.write(CompressedPage::new(page, self.page.len()))?;
        }
        let encoding = encoding_of(plan.stuff, layout);
        let (mut rows, mut numbers) = (ids, part.ids.as_slice());
        for page in &part.pages {
            let (own_rows, rest) = rows.split_at_checked(page.rows).unwrap_or((rows, &[]));
            rows = rest;
            let (own, rest) = numbers.split_at_checked(page.values).unwrap_or((numbers, &[]));
            numbers = rest;
            self.page.clear();
            if plan.may_lack() {
                spell_levels(own_rows, page.values, self.levels, self.page);
            }
            if layout == Layout::Dictionary {
                let width = encode::width_of(dictionary.len() as u64 - 1);
                self.page.push(width);
                encode::hybrid(own, width, self.page);
            } else {
                spell(plan.stuff, encoding, values, own, self.page);
            }
            let buf = self.press.pack(self.page, &mut pages.effort)?;
            pages.data(buf, self.page.len(), encoding, page, values)?;
        }
        if is_text {
            *self.texts = pages.effort;
        }
        let lacking = ids.len() - part.ids.len();
        let bounds = part.bounds(values).filter(|_| plan.has_bounds());
        let statistics = (plan.kind != Kind::Lines)
            .then(|| statistics(plan.stuff, values, bounds, lacking as u64));
        let filter = plan.wrong.map(|wrong| filter(values, part, layout, wrong)).transpose()?;
        pages.close(ids.len(), statistics, filter)
    }
}

/// A bloom filter of the values.
fn filter(values: &Values<'_>, part: &Part, layout: Layout, wrong: f64) -> Result<Sbbf> {
    let sought = if layout == Layout::Dictionary { &part.dictionary } else { &part.ids };
    let mut filter = Sbbf::new_with_ndv_fpp(sought.len() as u64, wrong)?;
    sought.iter().for_each(|id| filter.insert(values.text(*id)));
    Ok(filter)
}

/// The pages of a chunk, as they will lie in the file.
struct Pages<'p> {
    plan: &'p Plan,
    sink: TrackedWrite<Vec<u8>>,
    effort: Effort,
    uncompressed: usize,
    dictionary_at: Option<i64>,
    data_at: i64,
    kinds: Vec<PageEncodingStats>,
    offsets: OffsetIndexBuilder,
    bounds: Option<ColumnIndexBuilder>,
}

impl<'p> Pages<'p> {
    fn new(plan: &'p Plan, effort: Effort) -> Self {
        let bounds =
            plan.has_bounds().then(|| ColumnIndexBuilder::new(plan.column.physical_type()));
        Self {
            plan,
            sink: TrackedWrite::new(Vec::new()),
            effort,
            uncompressed: 0,
            dictionary_at: None,
            data_at: 0,
            kinds: Vec::new(),
            offsets: OffsetIndexBuilder::new(),
            bounds,
        }
    }

    /// Writes a page; returns where it begins and how long it is.
    fn write(&mut self, page: CompressedPage) -> Result<(i64, i32)> {
        let (page_type, encoding) = (page.page_type(), page.encoding());
        let written = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        let at = written.offset as i64;
        match page_type {
            PageType::DICTIONARY_PAGE => self.dictionary_at = Some(at),
            _ if self.kinds.iter().all(|kind| kind.page_type != page_type) => self.data_at = at,
            _ => {}
        }
        match self.kinds.iter_mut().find(|kind| kind.page_type == page_type) {
            Some(kind) => kind.count += 1,
            None => self.kinds.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        self.uncompressed += written.uncompressed_size;
        Ok((at, written.compressed_size as i32))
    }

    fn data(
        &mut self,
        buf: Bytes,
        uncompressed: usize,
        encoding: Encoding,
        page: &Page,
        values: &Values<'_>,
    ) -> Result<()> {
        let data = FilePage::DataPage {
            buf,
            num_values: page.rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let (at, size) = self.write(CompressedPage::new(data, uncompressed))?;
        self.offsets.append_offset_and_size(at, size);
        self.offsets.append_row_count(page.rows as i64);
        if let Some(index) = &mut self.bounds {
            let stuff = self.plan.stuff;
            let (least, greatest) = match page.bounds {
                Some((least, greatest)) => {
                    (least_of(stuff, values, least).0, greatest_of(stuff, values, greatest).0)
                }
                None => (Vec::new(), Vec::new()),
            };
            let lacking = (page.rows - page.values) as i64;
            index.append(page.values == 0, least, greatest, lacking);
        }
        Ok(())
    }

    fn close(
        self,
        rows: usize,
        statistics: Option<Statistics>,
        bloom_filter: Option<Sbbf>,
    ) -> Result<Chunk> {
        let bytes = self.sink.into_inner()?;
        let mut encodings = vec![Encoding::RLE];
        for kind in &self.kinds {
            if !encodings.contains(&kind.encoding) {
                encodings.push(kind.encoding);
            }
        }
        let compression = match self.effort {
            Effort::None => Compression::UNCOMPRESSED,
            _ => Compression::ZSTD(ZstdLevel::default()),
        };
        let mut metadata = ColumnChunkMetaData::builder(self.plan.column.clone())
            .set_compression(compression)
            .set_encodings(encodings)
            .set_page_encoding_stats(self.kinds)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(rows as i64)
            .set_data_page_offset(self.data_at)
            .set_dictionary_page_offset(self.dictionary_at);
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter,
            column_index: self.bounds.map(ColumnIndexBuilder::build).transpose()?,
            offset_index: Some(self.offsets.build()),
        };
        Ok(Chunk { bytes: bytes.into(), close })
    }
}

/// A column of `rows` rows without a value: one page that says so, no index and no filter. That there
/// are only nulls is said once; most columns of a group are empty, and every reader reads what is said
/// of all of them.
pub(super) fn empty(plan: &Plan, rows: usize) -> Result<Chunk> {
    let mut pages = Pages::new(plan, Effort::None);
    pages.bounds = None;
    let mut levels = Vec::new();
    spell_nothing(rows, &mut levels);
    let page = Page { rows, values: 0, bounds: None };
    let (length, nothing) = (levels.len(), Values::nothing());
    pages.data(levels.into(), length, Encoding::PLAIN, &page, &nothing)?;
    let statistics = statistics(plan.stuff, &nothing, None, rows as u64);
    pages.close(rows, Some(statistics), None)
}
