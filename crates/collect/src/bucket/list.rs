//! Which objects there are.

use std::time::Duration;

use jiff::Timestamp;
use model::{Hasher, Micros};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Credentials, S3Action as _};

use super::{Bucket, Stop, refused};
use crate::client::Request;

/// Bytes of a page of names: a thousand of at most a kilobyte each, spelled in up to three.
const PAGE: usize = 8 << 20;
/// How long a signature is good for.
pub(super) const SIGNED: Duration = Duration::from_mins(10);

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) key: String,
    /// What changes when the content does.
    pub(super) version: String,
    pub(super) modified: Micros,
    pub(super) size: u64,
}

impl Listed {
    /// By what it is marked: its name and its content.
    pub(super) fn id(&self) -> String {
        let id = Hasher::new("object").part(self.key.as_bytes()).part(self.version.as_bytes());
        crate::fetch::hex(&id.finish())
    }
}

impl Bucket {
    /// The next objects behind a name, in the order of their names, and whether there are more.
    pub(super) fn list(
        &self,
        credentials: Option<&Credentials>,
        after: Option<&str>,
    ) -> Result<(Vec<Listed>, bool), Stop> {
        let mut action = self.place.list_objects_v2(credentials);
        action.with_prefix(self.options.prefix.as_str());
        action.with_max_keys(self.options.page);
        if let Some(after) = after {
            action.with_start_after(after);
        }
        let request = Request::get(action.sign(SIGNED));
        let failed = |error: String| Stop::Service(error, None);
        let answer = self.client.ask(request, PAGE).map_err(|error| failed(error.to_string()))?;
        if !answer.status.is_success() {
            return Err(refused(&answer));
        }
        let text = std::str::from_utf8(&answer.body);
        let text = text.map_err(|_| failed("the list of objects is not text".to_owned()))?;
        let page = ListObjectsV2::parse_response(text)
            .map_err(|error| failed(format!("the list of objects cannot be read: {error}")))?;
        let more = page.next_continuation_token.is_some();
        let mut listed = Vec::with_capacity(page.contents.len());
        for object in page.contents {
            let modified =
                object.last_modified.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
            let modified = modified.map(|time| Micros(time.as_microsecond()));
            let modified = modified.ok_or_else(|| {
                failed(format!("the list says no time for {}", model::inert(&object.key)))
            })?;
            listed.push(Listed {
                version: object.etag.unwrap_or_default(),
                modified,
                size: object.size.unwrap_or(u64::MAX),
                key: object.key,
            });
        }
        if more && listed.is_empty() {
            return Err(failed("the list of objects goes on without any".to_owned()));
        }
        Ok((listed, more))
    }
}
