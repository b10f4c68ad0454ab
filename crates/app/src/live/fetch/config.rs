//! `floor.toml`: what is fetched, checked before anything begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use collect::bucket::{Bucket, BucketCredentials, BucketOptions};
use collect::poll::{self, Definition, PollOptions};
use collect::tail::{Tail, TailOptions};
use collect::{Client, Fetcher, Moment};
use ledger::SenderForm;
use model::{Micros, inert};
use parse::Recognised;
use serde::Deserialize;
use tokio::runtime::Handle;
use toml::Spanned;

use crate::access::{Configured, SignInForm};
use crate::content::read_text;
use crate::failure::{Failure, Kind};
use crate::form::SecretForm;

/// The file, checked.
pub(super) struct Config {
    pub(super) entries: Vec<Entry>,
    /// Ways to log in.
    pub(super) sign_in: Configured,
}

/// What an entry may name.
pub(super) struct Known<'k> {
    /// Whether there is a source definition of this name.
    pub(super) definition: &'k dyn Fn(&str) -> bool,
    pub(super) services: &'k BTreeMap<String, Arc<Definition>>,
}

/// One entry.
pub(super) struct Entry {
    /// File and line, for what is said of it.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) enabled: bool,
    pub(super) format: Option<String>,
    pub(super) definition: Option<String>,
    pub(super) tags: Vec<String>,
    silent_after: Option<u64>,
    what: What,
}

enum What {
    Tail(TailForm),
    Bucket(Box<BucketForm>),
    Poll(Box<PollForm>, Option<Arc<Definition>>),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    tail: Vec<Spanned<TailForm>>,
    bucket: Vec<Spanned<BucketForm>>,
    poll: Vec<Spanned<PollForm>>,
    /// Without its place: a table that only its parts are written of has none.
    sign_in: Option<SignInForm>,
}

/// Makes the form of one kind of entry: what all have, and its own.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            name: String,
            #[serde(default = "yes")]
            enabled: bool,
            format: Option<String>,
            definition: Option<String>,
            #[serde(default)]
            tags: Vec<String>,
            /// Seconds.
            silent_after: Option<u64>,
            $($(#[$attribute])* $field: $type,)*
        }

        impl $name {
            fn entry(self, place: String, what: impl FnOnce(Self) -> What) -> Entry {
                Entry {
                    place,
                    name: self.name.clone(),
                    enabled: self.enabled,
                    format: self.format.clone(),
                    definition: self.definition.clone(),
                    tags: self.tags.clone(),
                    silent_after: self.silent_after,
                    what: what(self),
                }
            }
        }
    };
}

form! {
    /// `[[tail]]`
    TailForm {
        paths: Vec<String>,
        #[serde(default)]
        exclude: Vec<String>,
        #[serde(default)]
        from: From,
        /// Seconds.
        #[serde(default = "ten")]
        settle: u64,
    }
}

form! {
    /// `[[bucket]]`
    BucketForm {
        bucket: String,
        #[serde(default)]
        prefix: String,
        region: String,
        endpoint: Option<String>,
        path_style: Option<bool>,
        access_key_id: Option<String>,
        secret_access_key: Option<SecretForm>,
        session_token: Option<SecretForm>,
        /// A file with the certificate of an authority that is trusted too, in PEM.
        authority: Option<PathBuf>,
        #[serde(default)]
        exclude: Vec<String>,
        #[serde(default)]
        ascending: bool,
        #[serde(default)]
        from: From,
        /// Seconds.
        #[serde(default = "minute")]
        every: u64,
        /// Seconds.
        #[serde(default = "day")]
        late: u64,
    }
}

form! {
    /// `[[poll]]`
    PollForm {
        service: String,
        #[serde(default)]
        settings: BTreeMap<String, String>,
        secret: SecretForm,
        /// A file with the certificate of an authority that is trusted too, in PEM.
        authority: Option<PathBuf>,
        /// Seconds; what the service's definition says unless said.
        every: Option<u64>,
        /// Seconds.
        #[serde(default = "day")]
        back: u64,
    }
}

/// Where a file that is there at the very first start is begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    #[default]
    Beginning,
    End,
}

fn yes() -> bool {
    true
}

fn ten() -> u64 {
    10
}

fn minute() -> u64 {
    60
}

fn day() -> u64 {
    86_400
}

impl Config {
    /// Reads a file.
    pub(super) fn read(path: &Path, known: &Known<'_>) -> Result<Self, Failure> {
        let text = read_text(path).map_err(|message| Failure::new(Kind::Usage, message))?;
        Self::parse(&text, &path.display().to_string(), known)
    }

    fn parse(text: &str, file: &str, known: &Known<'_>) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::new(Kind::Usage, message);
        let form: File = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| line(text, span.start));
            // Without the line itself: somebody may have written a secret there.
            wrong(format!("{file}:{line}: {}", e.message()))
        })?;
        let place = |start: usize| format!("{file}:{}", line(text, start));
        let mut entries = Vec::new();
        for form in form.tail {
            let place = place(form.span().start);
            entries.push(form.into_inner().entry(place, What::Tail));
        }
        for form in form.bucket {
            let place = place(form.span().start);
            entries.push(form.into_inner().entry(place, |form| What::Bucket(Box::new(form))));
        }
        for form in form.poll {
            let place = place(form.span().start);
            let form = form.into_inner();
            let service = known.services.get(&form.service).cloned();
            entries.push(form.entry(place, |form| What::Poll(Box::new(form), service)));
        }
        let mut names = BTreeSet::new();
        for entry in &entries {
            let mistake = entry.mistake(known.definition).or_else(|| {
                let again = !names.insert(entry.name.clone());
                again.then(|| "another entry has this name".to_owned())
            });
            if let Some(mistake) = mistake {
                let (place, name) = (&entry.place, inert(&entry.name));
                return Err(wrong(format!("{place}: {} `{name}`: {mistake}", entry.kind())));
            }
        }
        let sign_in = match form.sign_in {
            Some(form) => {
                let place = place(text.find("[sign_in").unwrap_or_default());
                form.read().map_err(|mistake| wrong(format!("{place}: sign_in: {mistake}")))?
            }
            None => Configured::default(),
        };
        Ok(Self { entries, sign_in })
    }
}

fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

impl Entry {
    /// Its kind, as the file spells it.
    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            What::Tail(_) => "tail",
            What::Bucket(_) => "bucket",
            What::Poll(..) => "poll",
        }
    }

    /// The sender that it is.
    pub(super) fn form(&self) -> SenderForm {
        SenderForm {
            name: self.name.clone(),
            kind: self.kind().to_owned(),
            networks: Vec::new(),
            client_name: None,
            definition: self.definition.clone(),
            tags: self.tags.clone(),
            rate_limit: None,
            silent_after: self.silent_after.map(|seconds| seconds.saturating_mul(1_000_000)),
            enabled: self.enabled,
        }
    }

    /// What is wrong with it, if anything.
    fn mistake(&self, known: &dyn Fn(&str) -> bool) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 100 || !self.name.chars().all(plain) {
            return Some("a name has letters, digits, `-`, `_` and `.`, 100 at most".to_owned());
        }
        if let Some(format) = &self.format
            && !crate::formats().any(|name| name == format)
        {
            let all: Vec<_> = crate::formats().collect();
            return Some(format!("format `{}` is none of {}", inert(format), all.join(", ")));
        }
        if let Some(definition) = self.definition.as_deref().filter(|name| !known(name)) {
            let name = inert(definition);
            return Some(format!(
                "there is no source definition `{name}` (`watchfloor sources list`)"
            ));
        }
        if self.silent_after.is_some_and(|seconds| !(1..=315_360_000).contains(&seconds)) {
            return Some("silent_after is a number of seconds, from 1 to ten years".to_owned());
        }
        match &self.what {
            What::Tail(form) if form.paths.is_empty() => Some("paths names nothing".to_owned()),
            What::Tail(form) => {
                let now = Moment { at: Instant::now(), time: Micros(0) };
                Tail::new(self.tail(form), [], now).err().map(|error| error.to_string())
            }
            What::Bucket(form) => self.bucket(form).err(),
            What::Poll(form, None) => {
                let name = inert(&form.service);
                Some(format!("there is no service `{name}` (content/polls names them)"))
            }
            What::Poll(form, Some(service)) => {
                service.check(&form.settings).err().map(|error| error.to_string())
            }
        }
    }

    /// What fetches it.
    pub(super) fn fetcher(
        &self,
        saved: &BTreeMap<&str, &str>,
        now: Moment,
        runtime: &Handle,
    ) -> Result<Box<dyn Fetcher>, Failure> {
        let failed = |message: String| {
            Failure::new(
                Kind::Usage,
                format!("{}: {} `{}`: {message}", self.place, self.kind(), self.name),
            )
        };
        match &self.what {
            What::Tail(form) => {
                let tail = Tail::new(self.tail(form), saved.values().copied(), now);
                Ok(Box::new(tail.map_err(|error| failed(error.to_string()))?))
            }
            What::Bucket(form) => {
                let options = self.bucket(form).map_err(failed)?;
                let client = client(form.authority.as_deref(), runtime).map_err(failed)?;
                let saved = saved.iter().map(|(name, value)| (*name, *value));
                let bucket = Bucket::new(options, client, saved);
                Ok(Box::new(bucket.map_err(|error| failed(error.to_string()))?))
            }
            What::Poll(form, service) => {
                let service =
                    service.as_ref().ok_or_else(|| failed("no such service".to_owned()))?;
                let client = client(form.authority.as_deref(), runtime).map_err(failed)?;
                let saved = saved.iter().map(|(name, value)| (*name, *value));
                let fetcher = poll::fetcher(self.poll(form, service), client, saved);
                fetcher.map_err(|error| failed(error.to_string()))
            }
        }
    }

    fn poll(&self, form: &PollForm, service: &Arc<Definition>) -> PollOptions {
        PollOptions {
            name: self.cursors().into(),
            definition: Arc::clone(service),
            settings: form.settings.clone(),
            secret: form.secret.source(),
            every: form.every.map(|every| Duration::from_secs(every.clamp(1, 86_400))),
            back: Duration::from_secs(form.back.min(366 * 86_400)),
        }
    }

    fn bucket(&self, form: &BucketForm) -> Result<BucketOptions, String> {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if form.region.is_empty() || !form.region.chars().all(known) {
            return Err(
                "region has letters, digits and `-` (`auto` where there is none)".to_owned()
            );
        }
        let default = format!("https://s3.{}.amazonaws.com", form.region);
        let endpoint = form.endpoint.as_deref().unwrap_or(&default);
        let credentials = match (&form.access_key_id, &form.secret_access_key) {
            (Some(key_id), Some(secret)) => Some(BucketCredentials {
                key_id: key_id.clone(),
                secret: secret.source(),
                token: form.session_token.as_ref().map(SecretForm::source),
            }),
            (None, None) if form.session_token.is_none() => None,
            _ => return Err("access_key_id and secret_access_key go together".to_owned()),
        };
        let format = self.format.clone();
        Ok(BucketOptions {
            name: self.cursors().into(),
            bucket: form.bucket.clone(),
            endpoint: endpoint.parse().map_err(|error| format!("endpoint is no URL: {error}"))?,
            region: form.region.clone(),
            path_style: form.path_style.unwrap_or(form.endpoint.is_some()),
            prefix: form.prefix.clone(),
            exclude: form.exclude.clone(),
            ascending: form.ascending,
            from_now: form.from == From::End,
            late: Duration::from_secs(form.late.min(30 * 86_400)),
            every: Duration::from_secs(form.every.clamp(1, 86_400)),
            page: 1_000,
            credentials,
            preamble: Arc::new(parse::preamble),
            unfit: Arc::new(move |front| unfit(front, format.as_deref())),
        })
    }

    fn tail(&self, form: &TailForm) -> TailOptions {
        let format = self.format.clone();
        TailOptions {
            name: self.cursors().into(),
            paths: form.paths.clone(),
            exclude: form.exclude.clone(),
            from_end: form.from == From::End,
            settle: Duration::from_secs(form.settle.min(86_400)),
            preamble: Arc::new(parse::preamble),
            unfit: Arc::new(move |front| unfit(front, format.as_deref())),
        }
    }
}

fn client(authority: Option<&Path>, runtime: &Handle) -> Result<Client, String> {
    let pem = authority.map(|path| read_text(path).map_err(|error| format!("authority: {error}")));
    let pem = pem.transpose()?;
    Client::new(runtime.clone(), pem.as_deref().map(str::as_bytes))
        .map_err(|error| error.to_string())
}

/// What a file is that is not lines of text.
fn unfit(front: &[u8], format: Option<&str>) -> Option<String> {
    let head = parse::Head { bytes: front, name: "", complete: false };
    match parse::recognise(&head) {
        Recognised::Binary(what) if format.is_none() => Some(what.to_owned()),
        Recognised::Format(format) if format.name() == "evtx" => {
            Some("a Windows event log (`watchfloor investigate` reads it)".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use collect::SecretSource;

    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        let (services, _) = super::super::services::load(&crate::Content::built_in());
        let known = Known { definition: &|name| name == "nginx", services: &services };
        Config::parse(text, "floor.toml", &known).map_err(|f| f.message)
    }

    #[test]
    fn an_entry_is_a_sender() {
        let config = parsed(
            "[[tail]]\nname = \"web-1\"\npaths = [\"/var/log/nginx/*.log\"]\ndefinition = \"nginx\"\n\
             tags = [\"site=oslo\"]\nsilent_after = 600\nfrom = \"end\"\n",
        );
        let entry = &config.unwrap().entries[0];
        let form = entry.form();
        assert_eq!((form.name.as_str(), form.kind.as_str(), form.enabled), ("web-1", "tail", true));
        assert_eq!(form.silent_after, Some(600_000_000));
        assert_eq!(entry.cursors(), "tail/web-1");
    }

    #[test]
    fn a_bucket_names_where_its_secret_is() {
        let form = "[[bucket]]\nname = \"trail\"\nbucket = \"logs\"\nregion = \"eu-central-1\"\n";
        let keys = "access_key_id = \"AKID\"\nsecret_access_key = { env = \"TRAIL_KEY\" }\n";
        let config = parsed(&format!("{form}{keys}")).unwrap();
        let What::Bucket(bucket) = &config.entries[0].what else { panic!("it is a bucket") };
        let options = config.entries[0].bucket(bucket).unwrap();
        assert_eq!(options.endpoint.as_str(), "https://s3.eu-central-1.amazonaws.com/");
        assert!(!options.path_style && options.late == Duration::from_hours(24));
        let credentials = options.credentials.unwrap();
        assert_eq!(credentials.secret, SecretSource::Environment("TRAIL_KEY".into()));
        let said = |more: &str| parsed(&format!("{form}{more}")).err().unwrap();
        assert!(said("access_key_id = \"AKID\"\n").contains("go together"));
        assert!(said("endpoint = \"logs\"\n").contains("endpoint is no URL"));
        // A secret in the file itself is refused, and not repeated.
        let secret = said("access_key_id = \"AKID\"\nsecret_access_key = \"swordfish\"\n");
        assert!(secret.starts_with("floor.toml:6: ") && !secret.contains("swordfish"), "{secret}");
    }

    #[test]
    fn a_poll_sets_what_its_service_asks_for() {
        let form =
            "[[poll]]\nname = \"gh\"\nservice = \"github_audit_log\"\nsecret = { file = \"/t\" }\n";
        let config =
            parsed(&format!("{form}settings = {{ org = \"acme\" }}\nevery = 300\n")).unwrap();
        let entry = &config.entries[0];
        let What::Poll(poll, Some(service)) = &entry.what else { panic!("it is a poll") };
        let options = entry.poll(poll, service);
        assert_eq!((&*options.name, options.every), ("poll/gh", Some(Duration::from_mins(5))));
        let said = |text: &str| parsed(text).err().unwrap();
        assert_eq!(
            said(form),
            "floor.toml:1: poll `gh`: settings lack `org`: the organisation's name"
        );
        assert!(said(&form.replace("github_audit", "gitlab")).contains("no service `gitlab_log`"));
        let secret = said(&form.replace("{ file = \"/t\" }", "\"swordfish\""));
        assert!(secret.starts_with("floor.toml:4: ") && !secret.contains("swordfish"), "{secret}");
    }

    #[test]
    fn streams_are_polled_by_what_their_service_says() {
        let form = "[[poll]]\nname = \"falcon\"\nservice = \"crowdstrike_event_streams\"\n\
                    secret = { file = \"/t\" }\n";
        let said = parsed(form).err().unwrap();
        assert!(said.contains("settings lack `client_id`"), "{said}");
        let config = parsed(&format!("{form}settings = {{ client_id = \"c1\" }}\n")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let now = Moment { at: Instant::now(), time: Micros(0) };
        let fetcher = config.entries[0].fetcher(&BTreeMap::new(), now, runtime.handle());
        assert!(fetcher.is_ok());
    }

    #[test]
    fn mistakes_name_their_line() {
        let said = |text: &str| parsed(text).err().unwrap();
        let good = "[[tail]]\nname = \"a\"\npaths = [\"/a\"]\n";
        assert!(parsed(good).is_ok());
        assert!(
            said("[[tail]]\nname = \"a\"\npath = [\"/a\"]\n")
                .starts_with("floor.toml:3: unknown field")
        );
        assert!(said("[[tail]]\nname = \"a\"\npaths = \"/a\"\n").starts_with("floor.toml:3: "));
        assert!(said("\n[[tail]\n").starts_with("floor.toml:2: "));
        assert!(said("[[tale]]\n").contains("unknown field `tale`"));
        assert_eq!(
            said("# first\n[sign_in]\nurl = \"http://floor.example.org\"\n"),
            "floor.toml:2: sign_in: url begins with https://, without a name and password in it"
        );
        assert!(
            said("\n[sign_in.cloudflare_access]\nteam = \"https://acme.cloudflareaccess.com\"\naudience = []\n")
                .starts_with("floor.toml:2: sign_in: cloudflare_access: audience")
        );
        let twice = said(&format!("{good}\n{good}"));
        assert_eq!(twice, "floor.toml:5: tail `a`: another entry has this name");
        for (line, about) in [
            ("paths = [\"var/log\"]", "begins with /"),
            ("paths = [\"/var/[log\"]", "no pattern"),
            ("paths = []", "names nothing"),
            ("paths = [\"/a\"]\nformat = \"nginx\"", "is none of"),
            ("paths = [\"/a\"]\ndefinition = \"acme\"", "no source definition"),
            ("paths = [\"/a\"]\nsilent_after = 0", "seconds"),
        ] {
            let said = said(&format!("# first\n[[tail]]\nname = \"a\"\n{line}\n"));
            assert!(said.starts_with("floor.toml:2: tail `a`: ") && said.contains(about), "{said}");
        }
        assert!(
            said("[[tail]]\nname = \"a/b\"\npaths = [\"/a\"]\n").contains("a name has letters")
        );
    }
}
